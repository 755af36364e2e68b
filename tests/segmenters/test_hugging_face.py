"""Segmenters of transformers, compared with the library's own calls on tiny random models."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from guidance.errors import InputError, MissingWeights
from guidance.segmenters import grounded_sam, sam3
from guidance.segmenters.files.loading import load_segmenter
from tests.segmenters import tiny

TEXTS = ["the hair", "a red hat"]


@pytest.fixture(scope="module")
def image() -> Tensor:
    levels = torch.randint(0, 256, (3, 40, 56), generator=torch.Generator().manual_seed(5))
    return levels / 255


@pytest.fixture(scope="module")
def clipseg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.clipseg(tmp_path_factory.mktemp("clipseg"))


def array(image: Tensor) -> np.ndarray:
    return (image * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


@torch.no_grad()
def test_clipseg(clipseg: Path, image: Tensor) -> None:
    from transformers import CLIPSegForImageSegmentation, CLIPSegProcessor

    found = load_segmenter(f"local-dir:{clipseg}").probabilities(image, TEXTS)
    model = CLIPSegForImageSegmentation.from_pretrained(clipseg).eval()
    processor = CLIPSegProcessor.from_pretrained(clipseg)
    for text, mask in zip(TEXTS, found, strict=True):
        inputs = processor(text=[text], images=[array(image)], return_tensors="pt")
        logits = model(**inputs).logits.reshape(1, 1, 32, 32)
        whole = F.interpolate(logits, (40, 56), mode="bilinear", align_corners=False)
        # Texts of a batch are padded, which moves the last bits.
        torch.testing.assert_close(mask, whole[0, 0].sigmoid(), rtol=1e-4, atol=1e-5)
    assert (found[0] - found[1]).abs().max() > 0.01


@torch.no_grad()
def test_grounding_dino_and_sam(
    tmp_path: Path, image: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import SamModel, SamProcessor

    dino, folder = tiny.grounding_dino(tmp_path / "dino"), tiny.sam(tmp_path / "sam")
    segmenter = load_segmenter(f"local-dir:{dino}+local-dir:{folder}")
    assert isinstance(segmenter, grounded_sam.GroundedSam)
    monkeypatch.setattr(grounded_sam, "BOX", 2.0)
    assert segmenter.probabilities(image, ["the hair"]).sum() == 0  # no box is as probable
    monkeypatch.setattr(grounded_sam, "BOX", 0.0)
    monkeypatch.setattr(grounded_sam, "TEXT", 0.0)
    found = segmenter.probabilities(image, ["the hair"])
    boxes = segmenter._boxes(array(image), "the hair")
    assert len(boxes) > 1

    model, processor = SamModel.from_pretrained(folder).eval(), SamProcessor.from_pretrained(folder)
    union = np.zeros((40, 56), bool)
    for box in boxes.tolist():
        inputs = processor(array(image), input_boxes=[[box]], return_tensors="pt")
        logits = model(**inputs, multimask_output=False).pred_masks
        sizes = inputs["original_sizes"], inputs["reshaped_input_sizes"]
        union |= processor.post_process_masks(logits, *sizes)[0].numpy().reshape(40, 56)
    assert 0 < union.mean() < 1
    assert (found[0].bool().numpy() == union).mean() > 0.999


@torch.no_grad()
def test_sam3(tmp_path: Path, image: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import Sam3Model, Sam3Processor

    folder = tiny.sam3(tmp_path)
    segmenter = load_segmenter(f"local-dir:{folder}")
    monkeypatch.setattr(sam3, "INSTANCE", 0.0)
    found = segmenter.probabilities(image, ["the hair"])
    model, processor = (
        Sam3Model.from_pretrained(folder).eval(),
        Sam3Processor.from_pretrained(folder),
    )
    outputs = model(**processor(images=array(image), text="the hair", return_tensors="pt"))
    # Any instance whose own mask covers the pixel.
    masks = F.interpolate(outputs.pred_masks.sigmoid(), (40, 56), mode="bilinear")[0] > 0.5
    assert 0 < masks.any(0).float().mean() < 1
    assert (found[0].bool() == masks.any(0)).float().mean() > 0.99
    monkeypatch.setattr(sam3, "INSTANCE", 2.0)
    assert segmenter.probabilities(image, ["the hair"]).sum() == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "vit"}, "expected model_type .*clipseg.*, got 'vit'"),
        ({"auto_map": {"AutoModel": "mine.Model"}}, "key 'auto_map' is not supported"),
        ({"backbone": "timm/resnet50"}, "key 'backbone' is not supported"),
        ({"reduce_dim": 10**9}, "'reduce_dim' is 1000000000; at most"),
        ({"reduce_dim": 1024}, "asks for .* parameters, the weights have|does not match"),
    ],
)
def test_configurations_that_are_refused(
    clipseg: Path, tmp_path: Path, change: dict, message: str
) -> None:
    for path in clipseg.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = json.loads((clipseg / "config.json").read_text()) | change
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=message):
        load_segmenter(f"local-dir:{tmp_path}")


def test_folders_that_are_refused(clipseg: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match="guide models fetch clipseg"):
        load_segmenter("clipseg")
    with pytest.raises(InputError, match="'nothing' is unknown"):
        load_segmenter("nothing")
    with pytest.raises(InputError, match="is clipseg and clipseg; use CLIPSeg, SAM 3, or"):
        load_segmenter(f"local-dir:{clipseg}+local-dir:{clipseg}")
    for path in clipseg.iterdir():
        if path.suffix != ".safetensors":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(b"PK")
    with pytest.raises(InputError, match="is a pickle, which can execute"):
        load_segmenter(f"local-dir:{tmp_path}")
    (tmp_path / "code.py").write_text("raise SystemExit")
    with pytest.raises(InputError, match="code of a model is never executed"):
        load_segmenter(f"local-dir:{tmp_path}")
