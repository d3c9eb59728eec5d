"""peft's adapters, transformers' Trainer, accelerate and Lightning around a classifier."""

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from swinkit import SwinClassifier, SwinConfig, load_weights

SMALL = SwinConfig(embed_dim=16, depths=(2, 2), num_heads=(1, 2), window_size=4, image_size=(32, 32))
IMAGES = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(8) % 2


class Pairs(Dataset):
    def __len__(self) -> int:
        return len(IMAGES)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"images": IMAGES[index], "labels": LABELS[index]}


@pytest.fixture
def model() -> SwinClassifier:
    torch.manual_seed(0)
    return SwinClassifier(SMALL, num_classes=2)


def cross_entropy(outputs: Tensor, labels: Tensor, num_items_in_batch: Tensor | int | None = None) -> Tensor:
    return F.cross_entropy(outputs, labels)


@pytest.mark.parametrize("targets", [["qkv"], ["qkv", "proj"], "all-linear"])
def test_peft(model: SwinClassifier, targets: str | list[str]) -> None:
    """Adapters train, nothing else does, and merged they are weights of ours."""
    peft = pytest.importorskip("peft")
    before = model(IMAGES).detach()
    config = peft.LoraConfig(target_modules=targets, modules_to_save=["head"], r=2, lora_alpha=4)
    adapted = peft.get_peft_model(model, config)
    assert torch.allclose(adapted(IMAGES), before, atol=1e-6)
    trained = [parameter for parameter in adapted.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.1)
    for _ in range(2):
        F.cross_entropy(adapted(IMAGES), LABELS).backward()
        optimizer.step()
    adapted.eval()
    after = adapted(IMAGES)
    assert not torch.allclose(after, before, atol=1e-3)
    merged = adapted.merge_and_unload()
    fresh = SwinClassifier(SMALL, num_classes=2).eval()
    load_weights(fresh, merged.state_dict())
    assert torch.allclose(fresh(IMAGES), after, atol=1e-5)


def test_trainer_of_transformers(model: SwinClassifier, tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    transformers = pytest.importorskip("transformers")
    arguments = transformers.TrainingArguments(
        str(tmp_path),
        max_steps=3,
        per_device_train_batch_size=4,
        label_names=["labels"],
        save_strategy="no",
        report_to=[],
        use_cpu=True,
    )
    before = model.head.weight.clone()
    trainer = transformers.Trainer(
        model, arguments, train_dataset=Pairs(), eval_dataset=Pairs(), compute_loss_func=cross_entropy
    )
    trainer.train()
    assert not torch.equal(model.head.weight, before)
    trainer.save_model(str(tmp_path / "saved"))
    fresh = SwinClassifier(SMALL, num_classes=2)
    load_weights(fresh, tmp_path / "saved" / "model.safetensors")
    assert torch.equal(fresh.head.weight, model.head.weight)


def test_configuration_takes_notes_but_keeps_its_values(model: SwinClassifier) -> None:
    model.config.use_cache = False
    assert model.config == SMALL
    with pytest.raises(FrozenInstanceError):
        model.config.embed_dim = 8


def test_accelerate(model: SwinClassifier) -> None:
    accelerate = pytest.importorskip("accelerate")
    accelerator = accelerate.Accelerator(cpu=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    batches = DataLoader(TensorDataset(IMAGES, LABELS), batch_size=4)
    prepared, optimizer, batches = accelerator.prepare(model, optimizer, batches)
    losses = []
    for _ in range(3):
        for images, labels in batches:
            optimizer.zero_grad()
            loss = F.cross_entropy(prepared(images), labels)
            accelerator.backward(loss)
            optimizer.step()
            losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_lightning(model: SwinClassifier, tmp_path: Path) -> None:
    lightning = pytest.importorskip("lightning")

    class Module(lightning.LightningModule):
        def __init__(self, model: nn.Module) -> None:
            super().__init__()
            self.model = model

        def training_step(self, batch: list[Tensor], index: int) -> Tensor:
            return F.cross_entropy(self.model(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.AdamW(self.parameters(), lr=1e-2)

    before = model.head.weight.clone()
    trainer = lightning.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    trainer.fit(Module(model), DataLoader(TensorDataset(IMAGES, LABELS), batch_size=4))
    assert not torch.equal(model.head.weight, before)
