"""What is compared is the same model, and runs."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from swinkit import SWIN_T, VARIANTS, SwinConfig
from swinkit.benchmark.area import measure_area
from swinkit.benchmark.attention import measure_attention
from swinkit.benchmark.candidates import LIBRARIES, Case, Library, Mode, build, candidates, linear_shapes
from swinkit.benchmark.memory import peak_memory
from swinkit.benchmark.runtimes import runtime_candidates
from swinkit.errors import InputError

TINY = SwinConfig(embed_dim=8, depths=(1, 1), num_heads=(1, 2), window_size=4, image_size=(32, 32))


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VARIANTS, "tiny", TINY)


@pytest.mark.parametrize("mode", ["inference", "training", "features"])
def test_each_library_runs(mode: Mode) -> None:
    case = Case(model="tiny", mode=mode, batch=2, size=(32, 32))
    for each in candidates(case):
        each.run()
    assert {"swinkit"} <= {each.name for each in candidates(case)} <= {"swinkit", "transformers"}


@pytest.mark.parametrize("mode", ["segmentation", "detection"])
def test_whole_models_run(mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    three = replace(TINY, depths=(1, 1, 1), num_heads=(1, 2, 4))  # transformers' head takes the third for its loss
    monkeypatch.setitem(VARIANTS, "tiny", three)
    case = Case(model="tiny", mode=mode, batch=1, size=(64, 64))
    found = {each.name: each.run for each in candidates(case)}
    assert set(found) == ({"swinkit", "transformers"} if mode == "segmentation" else {"swinkit"})
    for run in found.values():
        run()


def test_torchvision_has_a_detector_to_compare() -> None:
    assert build(Case(model="resnet50", mode="detection", batch=1), "torchvision") is not None


@torch.inference_mode()
def test_detectors_of_a_benchmark_find_objects() -> None:
    model = build(Case(model="tiny", mode="detection", batch=1), "swinkit")
    assert model is not None
    assert model(torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8))[0] > 10


@pytest.mark.slow
@pytest.mark.parametrize("library", LIBRARIES)
def test_every_library_builds_the_same_size(library: Library) -> None:
    pytest.importorskip(library)
    model = build(Case(), library)
    assert model is not None
    assert sum(parameter.numel() for parameter in model.parameters()) == 28_288_354


def test_the_products_are_those_of_the_model() -> None:
    products = sum(tokens * inputs * outputs for tokens, inputs, outputs in linear_shapes(SWIN_T, (224, 224)))
    # Of the 4.49 G that paper table 1 counts, the rest is attention itself, the patch convolution and the head.
    assert products / 1e9 == pytest.approx(4.35, abs=0.05)


@torch.no_grad()
def test_attention_backends_agree() -> None:
    found = measure_attention(Case(model="tiny", batch=2, size=(36, 44)), 0, ("reference", "sdpa"))
    assert [each.name for each in found] == ["reference", "sdpa"]
    for each in found:
        each.run()


def test_area_runs() -> None:
    for each in measure_area(Case(model="tiny", mode="features", batch=1, size=(32, 32))):
        each.run()


@pytest.mark.slow
def test_peak_memory_grows_with_the_batch() -> None:
    ballast = torch.ones(2**28)  # 1 GiB of this process that is none of theirs
    small, large = (peak_memory(Case(batch=batch, mode="training"), "swinkit", threads=1) for batch in (1, 4))
    assert small is not None and large is not None
    assert 50 < small < large < 4 * small
    assert small < ballast.nbytes / 2**20


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"model": "swin_x"}, "no model 'swin_x'"),
        ({"model": "resnet50"}, "no model 'resnet50'"),
        ({"batch": 0}, "at least 1"),
        ({"mode": "detection", "dtype": "bfloat16"}, "measured in float32"),
    ],
)
def test_impossible_cases(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Case(**values)  # type: ignore[arg-type]


def test_runtimes_are_for_inference(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="are measured for inference on a CPU"):
        runtime_candidates(Case(mode="training"), tmp_path)


@torch.no_grad()
def test_in_half_precision_the_products_stand_alone(tmp_path: Path) -> None:
    found = runtime_candidates(Case(model="tiny", batch=1, size=(32, 32), dtype="bfloat16"), tmp_path)
    assert [each.name for each in found] == ["matrix products alone"]
    found[0].run()
