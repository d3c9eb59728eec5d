"""How fast, on this machine: swinkit beside timm, torchvision and transformers, all in one interleaved run."""
