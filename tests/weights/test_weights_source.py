"""Paths, published names, addresses and hub names all lead to a file, or to a sentence."""

from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

from swinkit.errors import InputError
from swinkit.weights import source
from swinkit.weights.catalogue import CATALOGUE, PublishedWeights
from swinkit.weights.source import resolve


class Hub:
    """Stands in for the hub: knows some files and remembers what it was asked."""

    def __init__(self, *files: str, error: Exception | None = None) -> None:
        self.files = files
        self.error = error
        self.asked: list[tuple[str, str, str | None]] = []

    def hf_hub_download(self, repository: str, file: str, *, revision: str | None) -> str:
        self.asked.append((repository, file, revision))
        if self.error is not None:
            raise self.error
        if file not in self.files:
            raise EntryNotFoundError(file)
        return f"/hub/{repository}/{file}"


def use(monkeypatch: pytest.MonkeyPatch, hub: Hub) -> Hub:
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hub.hf_hub_download)
    return hub


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[PublishedWeights | str]:
    """What would have been downloaded."""
    asked: list[PublishedWeights | str] = []

    def fetch(wanted: PublishedWeights | str, *, progress: bool) -> Path:
        asked.append(wanted)
        return Path("/cache/file.pth")

    monkeypatch.setattr(source, "fetch", fetch)
    return asked


def test_a_path_is_itself(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    path.write_text("")
    assert resolve(path) == resolve(str(path)) == path


def test_published_names_and_addresses_are_fetched(fetched: list[PublishedWeights | str]) -> None:
    address = "https://example.org/w.pth"
    for given in ("swin_t-704ceda3", address):
        assert resolve(given) == Path("/cache/file.pth")
    assert fetched == [CATALOGUE["swin_t-704ceda3"], address]


def test_a_file_of_a_published_name_is_the_file(
    fetched: list[PublishedWeights | str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("swin_t-704ceda3").write_text("")
    assert resolve("swin_t-704ceda3") == Path("swin_t-704ceda3")
    assert not fetched


def test_an_unknown_name_lists_near_ones() -> None:
    with pytest.raises(InputError, match=r"neither a file nor .*swin_tiny_patch4_window7_224\b"):
        resolve("swin_tiny_patch4_window7_225")


def test_the_hub_prefers_safetensors(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = use(monkeypatch, Hub("model.safetensors", "pytorch_model.bin"))
    assert resolve("hf-hub:timm/swin@main") == Path("/hub/timm/swin/model.safetensors")
    assert [file for _, file, _ in hub.asked] == ["model.safetensors", "config.json"]  # which names the classes
    assert {(repository, revision) for repository, _, revision in hub.asked} == {("timm/swin", "main")}


def test_the_hub_may_have_only_the_older_file(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = use(monkeypatch, Hub("pytorch_model.bin"))
    assert resolve("hf-hub:timm/swin") == Path("/hub/timm/swin/pytorch_model.bin")
    assert ("timm/swin", "pytorch_model.bin", None) in hub.asked


def test_a_repository_without_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Hub())
    with pytest.raises(InputError, match=r"huggingface\.co/timm/swin has none of model\.safetensors"):
        resolve("hf-hub:timm/swin")


def test_the_hub_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = use(monkeypatch, Hub(error=LocalEntryNotFoundError("cannot reach the hub\nand more")))
    with pytest.raises(InputError, match=r"huggingface\.co/timm/swin cannot be downloaded \(cannot reach the hub\)"):
        resolve("hf-hub:timm/swin")
    assert len(hub.asked) == 1


def test_a_name_that_is_no_repository() -> None:
    with pytest.raises(InputError, match="cannot be downloaded"):
        resolve("hf-hub:a/b/c/d")


def test_whatever_the_hub_raises_becomes_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Hub(error=OSError("404 Client Error")))
    with pytest.raises(InputError, match="404 Client Error"):
        resolve("hf-hub:nobody/nothing")
