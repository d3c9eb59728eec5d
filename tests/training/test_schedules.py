"""Learning rates of every step, against timm's scheduler (the official classification code uses it) and by hand."""

import itertools
import math

import pytest
import torch

from swinkit.training.schedules import Schedule, fitted_to_run
from swinkit.training.settings import ScheduleSettings

EPOCH_STEPS, EPOCHS = 10, 30
TOTAL = EPOCH_STEPS * EPOCHS


def rates(settings: ScheduleSettings, *, peak: float = 1.0, scale: float = 1.0) -> list[float]:
    schedule = Schedule(settings, peak=peak, scale=scale, epoch_steps=EPOCH_STEPS, total_steps=TOTAL)
    return [schedule.lr(step) for step in range(TOTAL)]


@pytest.mark.parametrize("prefix", [True, False])
@pytest.mark.parametrize(
    ("base", "warmup_lr", "min_lr", "warmup_epochs", "batch"),
    [
        pytest.param(5e-4, 5e-7, 5e-6, 20, 1024, id="imagenet-1k"),
        pytest.param(1.25e-4, 1.25e-7, 1.25e-6, 5, 4096, id="imagenet-22k"),
        pytest.param(2e-5, 2e-8, 2e-7, 5, 1024, id="finetune"),
    ],
)
def test_cosine_is_that_of_timm_as_the_official_code_calls_it(base, warmup_lr, min_lr, warmup_epochs, batch, prefix):
    scheduler = pytest.importorskip("timm.scheduler")
    settings = ScheduleSettings(
        decay="cosine", warmup_epochs=warmup_epochs, warmup_lr=warmup_lr, min_lr=min_lr, warmup_prefix=prefix
    )
    scale = batch / 512
    warm = warmup_epochs * EPOCH_STEPS
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=base * scale)
    peer = scheduler.CosineLRScheduler(
        optimizer,
        t_initial=TOTAL - warm if prefix else TOTAL,
        lr_min=min_lr * scale,
        warmup_lr_init=warmup_lr * scale,
        warmup_t=warm,
        cycle_limit=1,
        t_in_epochs=False,
        warmup_prefix=prefix,
    )
    expected = []
    for step in range(TOTAL):
        peer.step_update(step)
        expected.append(optimizer.param_groups[0]["lr"])
    assert rates(settings, peak=base * scale, scale=scale) == pytest.approx(expected, rel=1e-9)


def test_cosine_by_hand():
    values = rates(ScheduleSettings(decay="cosine", min_lr=0.2))
    assert values[0] == 1.0
    assert values[TOTAL // 2] == pytest.approx(0.6)
    assert values[TOTAL // 4] == pytest.approx(0.2 + 0.8 * (0.5 + math.sqrt(0.5) / 2))
    assert values == sorted(values, reverse=True)


def test_the_rate_changes_at_every_update_and_not_at_every_epoch():
    values = rates(ScheduleSettings(decay="cosine", warmup_epochs=5, warmup_lr=0.0))
    assert len(set(values[: 5 * EPOCH_STEPS])) == 5 * EPOCH_STEPS
    assert all(a > b for a, b in itertools.pairwise(values[50:]))


def test_linear_counts_from_the_end_of_the_warm_up_to_the_minimum():
    # The official code's LinearLRScheduler, which always counts so.
    values = rates(ScheduleSettings(decay="linear", warmup_epochs=5, warmup_lr=0.1, min_lr=0.01))
    assert values[:3] == pytest.approx([0.1, 0.1 + 0.9 / 50, 0.1 + 1.8 / 50])
    assert values[50] == 1.0
    assert values[50 + 125] == pytest.approx((1 + 0.01) / 2)
    assert values[-1] == pytest.approx(0.01 + 0.99 / 250)


def test_constant_is_the_peak():
    assert set(rates(ScheduleSettings(decay="constant", min_lr=0.5))) == {1.0}


def test_constant_may_have_a_warm_up():
    values = rates(ScheduleSettings(decay="constant", warmup_epochs=2, warmup_lr=0.0))
    assert values[:20] == pytest.approx([step / 20 for step in range(20)])
    assert set(values[20:]) == {1.0}


def test_step_multiplies_at_its_milestones():
    # The detection code's 3x: 36 epochs, a tenth from epochs 27 and 33 on; here in 30 epochs.
    values = rates(ScheduleSettings(decay="step", milestones=(27, 29), gamma=0.1))
    assert set(values[:270]) == {1.0}
    assert values[270:290] == pytest.approx([0.1] * 20)
    assert values[290:] == pytest.approx([0.01] * 10)


@pytest.mark.parametrize("power", [1.0, 0.9])
def test_poly_counts_from_the_first_update(power):
    # The segmentation code: (base - min) (1 - i / n)^power + min, warm-up or not.
    settings = ScheduleSettings(decay="poly", power=power, min_lr=0.1, warmup_steps=15, warmup_ratio=1e-6)
    expected = [0.9 * (1 - step / TOTAL) ** power + 0.1 for step in range(TOTAL)]
    assert rates(settings)[15:] == pytest.approx(expected[15:])


@pytest.mark.parametrize(
    ("settings", "regular"),
    [
        pytest.param(
            ScheduleSettings(decay="step", milestones=(8, 11), warmup_steps=100, warmup_ratio=0.001),
            lambda step: 1.0 if step < 80 else 0.1,
            id="detection",
        ),
        pytest.param(
            ScheduleSettings(decay="poly", warmup_steps=60, warmup_ratio=1e-6),
            lambda step: 1 - step / TOTAL,
            id="segmentation",
        ),
    ],
)
def test_warm_up_as_a_share_of_the_decayed_rate(settings, regular):
    # mmcv: regular rate times 1 - (1 - i / warm-up) (1 - ratio).
    warm = settings.warmup_steps
    expected = [regular(step) * (1 - (1 - step / warm) * (1 - settings.warmup_ratio)) for step in range(warm)]
    assert rates(settings)[:warm] == pytest.approx(expected)
    assert rates(settings)[warm] == pytest.approx(regular(warm))


def test_warm_up_in_updates_takes_the_place_of_epochs():
    by_steps = ScheduleSettings(warmup_steps=7, warmup_epochs=9, warmup_lr=0.0, decay="constant")
    assert rates(by_steps)[6:8] == pytest.approx([6 / 7, 1.0])
    part = ScheduleSettings(warmup_epochs=0.5, warmup_lr=0.0, decay="constant")
    assert rates(part)[4:6] == pytest.approx([0.8, 1.0])


def test_the_scale_is_for_the_settings_own_rates_only():
    settings = ScheduleSettings(decay="cosine", warmup_epochs=5, warmup_lr=0.01, min_lr=0.02)
    assert rates(settings, peak=8.0, scale=8.0) == pytest.approx([8 * rate for rate in rates(settings)])
    assert rates(settings, peak=1.0, scale=8.0)[0] == pytest.approx(0.08)


def test_a_run_of_warm_up_only():
    settings = ScheduleSettings(decay="cosine", warmup_epochs=EPOCHS, warmup_lr=0.0)
    assert rates(settings) == pytest.approx([step / TOTAL for step in range(TOTAL)])


@pytest.mark.parametrize(
    ("settings", "steps", "warmup"),
    [
        (ScheduleSettings(warmup_steps=100), 60, 6),
        (ScheduleSettings(warmup_steps=100), 299, 29),
        (ScheduleSettings(warmup_steps=100), 5, 0),
        (ScheduleSettings(warmup_epochs=20), 50, 5),
    ],
)
def test_a_warmup_that_would_fill_the_run_is_shortened_and_said(settings, steps, warmup):
    fitted, said = fitted_to_run(settings, epoch_steps=10, total_steps=steps)
    assert fitted.warmup_steps == warmup and len(said) == 1 and f"a run of {steps}: it has {warmup} steps" in said[0]


def test_milestones_beyond_the_end_move_into_the_run():
    settings = ScheduleSettings(decay="step", milestones=(8, 11), warmup_steps=1)
    fitted, said = fitted_to_run(settings, epoch_steps=10, total_steps=60)
    assert fitted.milestones == (4, 5.5) and said == [
        "the learning rate would fall after epochs 8, 11, but the run has 6: it falls after 4, 5.5"
    ]
    schedule = Schedule(fitted, peak=1.0, scale=1.0, epoch_steps=10, total_steps=60)
    assert [round(schedule.lr(step), 6) for step in (39, 40, 54, 55)] == [1, 0.1, 0.1, 0.01]


def test_schedules_that_fit_stay_as_they_are():
    for settings, steps in (
        (ScheduleSettings(decay="step", milestones=(8, 11), warmup_steps=40), 120),
        (ScheduleSettings(warmup_epochs=20), 3000),
        (ScheduleSettings(decay="cosine", milestones=(8, 11)), 20),
    ):
        assert fitted_to_run(settings, epoch_steps=10, total_steps=steps) == (settings, [])
