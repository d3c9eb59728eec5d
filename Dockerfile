# The page of `swinkit web` on a CPU, with the newest run of the mounted folder:
#   docker build -t swinkit .
#   docker run --rm -p 127.0.0.1:7860:7860 -v "$PWD/runs:/work/runs:ro" swinkit
FROM python:3.12-slim

# Of this index, torch and torchvision are builds for CPUs, which are a tenth of the size.
ENV PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /opt/swinkit
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip install '.[web,video]'

RUN useradd --create-home swinkit
USER swinkit
WORKDIR /work
EXPOSE 7860
ENTRYPOINT ["swinkit"]
CMD ["web", "--host", "0.0.0.0", "--port", "7860"]
