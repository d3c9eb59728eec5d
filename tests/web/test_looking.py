"""What the page shows of one forward pass: as `predict` says it, for every threshold, without another one."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from small_predictors import OF_TASKS, classifier, counted, detector, image, segmentor

from swinkit.segmentation.predictor import Segmentor

pytest.importorskip("contourpy", reason="contourpy, of the extra web, is not installed")

from swinkit.web import kept_objects, markup
from swinkit.web.explanation import can_explain, explanation
from swinkit.web.kept_classes import look_for_classes
from swinkit.web.kept_objects import look_for_objects
from swinkit.web.kept_pixels import look_at_pixels
from swinkit.web.looking import look
from swinkit.web.markup import outline


@pytest.mark.parametrize("task", OF_TASKS)
def test_one_forward_pass_for_all_thresholds(task: str) -> None:
    predictor = OF_TASKS[task]()
    calls = counted(predictor)
    kept = look(predictor, image())
    assert len(calls) == 1
    seen = set()
    for least in (0.0, 0.1, 0.3, 0.9):
        for top in (1, 3, 20):
            seen.add(kept.html(least, top))
            kept.picture(least, top)
            kept.data(least, top)
    assert len(calls) == 1 and len(seen) > 2


def test_classes_are_those_of_predict() -> None:
    model, picture = classifier(), image()
    kept = look_for_classes(model, picture)
    result: Any = model.predict(picture, top=3)
    assert kept.data(0.0, 3) == result.to_dict()
    least = result.probabilities[1]
    assert kept.data(least, 3) == {"predictions": result.to_dict()["predictions"][:2]}
    assert len(kept.data(1.0, 3)["predictions"]) == 1  # the best one is always there
    html = kept.html(0.0, 3)
    assert html.count("<li") == 3 and "&lt;b&gt;Grün" in html
    assert not {"<b>", "{{", "${"} & set(re.findall(r"<b>|\{\{|\$\{", html))


@pytest.mark.parametrize("kind", ["mask_rcnn", "boxes alone", "mask_reppoints_v2"])
def test_objects_are_those_of_predict(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markup, "SIDE", 48)  # the picture is shown at half its size
    model, picture = detector(kind), image()
    kept = look_for_objects(model, picture)
    everything: Any = model.predict(picture, threshold=kept_objects.LEAST_KEPT)
    least = float(everything.scores[len(everything) // 2])
    expected = everything.above(least, top=5)
    assert len(expected) > 1
    assert kept.data(least, 5) == {"objects": expected.to_dict()}
    shown = kept.chosen(least, 5)
    assert shown.image.size == (48, 32)
    assert torch.allclose(shown.boxes * 2, expected.boxes, atol=1e-4)
    html = kept.html(least, 5)
    assert html.count('class="found"') == len(expected) and html.count("<li") == len(expected.counts())
    assert (html.count("<path") > 0) == (kind != "boxes alone")
    assert "Nothing found" in kept.html(1.0, 5) and kept.data(1.0, 5) == {"objects": []}
    assert kept.picture(least, 5).width > 48


def test_an_outline_lies_where_its_mask_does() -> None:
    """A square of 4 x 2 cells, 3 from the left and 5 from the top."""
    mask = np.zeros((12, 10), dtype=np.float32)
    mask[5:7, 3:7] = 1
    numbers = np.array([float(number) for number in re.findall(r"[\d.]+", outline(mask))]).reshape(-1, 2)
    assert numbers.min(0) == pytest.approx([3, 5], abs=0.11) and numbers.max(0) == pytest.approx([7, 7], abs=0.11)
    full = outline(np.ones((4, 4), dtype=np.float32))
    assert full.startswith("M") and full.endswith("Z")  # closed at the edge, too
    assert outline(np.zeros((4, 4), dtype=np.float32)) == ""


def test_shares_are_those_of_predict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markup, "SIDE", 48)
    model, picture = segmentor(), image()
    result: Any = model.predict(picture)
    kept = look_at_pixels(model, picture)
    assert kept.data(0.0, 9) == result.to_dict() and len(result.shares) > 2
    names = list(result.shares)
    assert list(kept.data(0.0, 2)["shares"]) == names[:2]
    assert list(kept.data(result.shares[names[1]], 9)["shares"]) == names[:2]
    everything, two = kept.chosen(0.0, 9), kept.chosen(0.0, 2)
    assert everything.mask.shape == (32, 48)
    hidden = ~np.isin(everything.mask, [model.classes.index(name) for name in names[:2]])
    assert hidden.any() and (two.mask[hidden] == len(model.classes)).all()
    assert (two.mask[~hidden] == everything.mask[~hidden]).all()
    assert kept.html(0.0, 2).count("<path") == 2 and "a&lt;i&gt;" in kept.html(0.0, 9)


def test_hidden_classes_are_not_painted() -> None:
    model, picture = segmentor(), image()
    kept = look_at_pixels(model, picture)
    none = replace(kept, shares=dict.fromkeys(kept.shares, 0.0))
    from swinkit.segmentation.pictures import painted

    shown = none.chosen(0.5, 1)
    assert painted(shown.image, shown.mask, shown.classes).tobytes() == picture.tobytes()


def test_what_it_looked_at_is_there_where_the_predictor_has_it() -> None:
    model = classifier()
    assert not can_explain(object()) and not can_explain(segmentor.__class__)

    class Explained:
        def draw(self) -> Any:
            return image(10, 10)

    class WithMaps(Segmentor):
        def explain(self, picture: Any) -> Any:
            assert picture.size == (96, 64)
            return Explained()

    plain = segmentor()
    one = WithMaps(plain.model, plain.classes, plain.preprocessing, plain.description)
    assert can_explain(one) and explanation(one, image()).size == (10, 10)
    exported = WithMaps(plain.model, plain.classes, plain.preprocessing, {"exported": "model.onnx"})
    assert not can_explain(exported)
    assert can_explain(model) == hasattr(model, "explain")
