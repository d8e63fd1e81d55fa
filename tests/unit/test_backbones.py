"""Backbones keep what they state: channels, strides, and what is frozen."""

import pytest
import timm
import torch

from wsfcn.config import ModelSettings
from wsfcn.errors import CheckpointError, SettingError
from wsfcn.maps import resize
from wsfcn.models.backbones import build_backbone
from wsfcn.models.segmenter import build_segmenter

CASES = [
    ("efficientnet_lite0", 8),
    ("efficientnet_lite0", 16),
    ("efficientnet_lite0", 32),
    ("resnet50", 8),
    ("resnet101", 8),
    ("vgg16", 8),
    ("vgg16_bn", 16),
    ("mobilenetv3_small_050", 16),
    ("convnext_atto", 16),
    ("swin_tiny_patch4_window7_224", 16),
    ("vit_tiny_patch16_224", 16),
    ("eva02_tiny_patch14_224", 14),
]


@pytest.mark.parametrize(("name", "stride"), CASES)
def test_features_have_the_stated_channels_and_strides(name, stride):
    backbone = build_backbone(name, "none", stride).eval()
    with torch.inference_mode():
        shallow, deep = backbone(torch.rand(1, 3, 75, 96))
    assert shallow.shape[:2] == (1, backbone.shallow_channels)
    assert deep.shape[:2] == (1, backbone.deep_channels)
    for feature, step in ((shallow, 4), (deep, stride)):
        # Models differ in how they round a side that is no multiple of the stride.
        assert feature.shape[2] == pytest.approx(75 / step, abs=1)
        assert feature.shape[3] == pytest.approx(96 / step, abs=1)


@pytest.mark.parametrize(("name", "stride"), CASES)
def test_the_feature_of_stride_8_joins_the_shallow_one_where_there_is_one(name, stride):
    torch.manual_seed(0)
    plain = build_backbone(name, "none", stride).eval()
    torch.manual_seed(0)
    both = build_backbone(name, "none", stride, middle=True).eval()
    image = torch.rand(1, 3, 75, 96)
    with torch.inference_mode():
        one, other = plain(image), both(image)
    count = plain.shallow_channels
    assert torch.equal(other.shallow[:, :count], one.shallow)
    assert torch.equal(other.deep, one.deep)
    assert other.shallow.shape[1] == both.shallow_channels
    has_both = not name.startswith(("vgg", "vit", "eva"))
    assert (both.shallow_channels > count) == has_both
    if has_both and not hasattr(both, "channels_last"):
        stages = [both.net.conv_stem, both.net.bn1, *both.net.blocks[:3]]
        with torch.inference_mode():
            middle = torch.nn.Sequential(*stages)(image)
        expected = resize(middle, (19, 24), align_corners=False)
        assert torch.equal(other.shallow[:, count:], expected)


@pytest.mark.parametrize(("name", "stride"), [("lite0", 16), ("lite1", 8), ("lite2", 32)])
def test_efficientnet_lite_is_timms(name, stride):
    torch.manual_seed(0)
    ours = build_backbone(f"efficientnet_{name}", "none", stride, 0.1)
    torch.manual_seed(0)
    options = {"features_only": True, "output_stride": stride, "drop_path_rate": 0.1}
    theirs = timm.create_model(f"tf_efficientnet_{name}", **options)
    for one, other in zip(ours.net.state_dict().items(), theirs.state_dict().items(), strict=True):
        assert one[0] == other[0]
        assert torch.equal(one[1], other[1])
    image = torch.rand(2, 3, 75, 97)
    for training in (False, True):
        torch.manual_seed(1)
        features = ours.train(training)(image)
        torch.manual_seed(1)
        maps = theirs.train(training)(image)
        assert torch.equal(features.shallow, maps[1])
        assert torch.equal(features.deep, maps[-1])


def test_wide_resnet_is_dilated_to_stride_8():
    backbone = build_backbone("wide_resnet38", "none", 8).eval()
    with torch.inference_mode():
        shallow, deep = backbone(torch.rand(1, 3, 33, 41))
    assert shallow.shape == (1, 256, 9, 11)
    assert deep.shape == (1, 4096, 5, 6)


@pytest.mark.parametrize(
    ("name", "stride", "stem", "later"),
    [
        ("efficientnet_lite0", 16, "conv_stem", "blocks.2"),
        ("resnet50", 8, "layer1", "layer2"),
        ("vgg16", 8, "stages.2", "stages.3"),
        ("wide_resnet38", 8, "stage3", "stage4"),
    ],
)
def test_first_layers_and_all_norms_are_frozen(name, stride, stem, later):
    settings = ModelSettings(backbone=name, weights="none", stride=stride, width=8)
    backbone = build_segmenter(settings, 3).train().backbone
    learns = {n.removeprefix("net."): p.requires_grad for n, p in backbone.named_parameters()}
    assert not any(learns[n] for n in learns if n.startswith(stem))
    assert any(learns[n] for n in learns if n.startswith(later))
    norms = [m for m in backbone.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert not any(norm.training or norm.weight.requires_grad for norm in norms)


@pytest.mark.parametrize(
    ("name", "stride"),
    [
        ("efficientnet_lite0", 16),
        ("vgg16_bn", 16),
        ("wide_resnet38", 8),
        ("pvt_v2_b0", 32),
        ("vit_tiny_patch16_224", 16),
    ],
)
def test_a_frozen_backbone_learns_nothing_and_keeps_nothing(name, stride):
    settings = ModelSettings(backbone=name, weights="none", stride=stride, width=8, frozen="all")
    model = build_segmenter(settings, 3).train()
    image = torch.rand(2, 3, 64, 64)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x) or x, lambda x: x):
        features = model.features(image)
    assert not features.deep.requires_grad
    torch.testing.assert_close(features.deep, model.eval().features(image).deep)
    prediction = model.train()(image)
    (prediction.logits.square().mean() + prediction.scores.square().mean()).backward()
    learned = {n for n, p in model.named_parameters() if p.grad is not None}
    # The fine feature of a plain transformer comes from layers of ours, which are new.
    new = {name for name in learned if name.startswith("backbone.")}
    assert bool(new) == bool(kept) == name.startswith("vit")
    assert all(name.startswith("backbone.stem.") for name in new)
    assert learned >= {n for n, _ in model.named_parameters() if n.startswith(("head.", "tag_"))}


def test_every_trainable_weight_gets_a_gradient():
    for change in ({}, {"scoring": "masks"}, {"context": "aspp", "fusion": "gci"}):
        model = build_segmenter(ModelSettings(weights="none", width=8, **change), 3).train()
        prediction = model(torch.rand(2, 3, 64, 64))
        (prediction.logits.square().mean() + prediction.scores.square().mean()).backward()
        missing = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
        assert not missing


@pytest.mark.parametrize("change", [{"context": "none"}, {"fusion": "none"}, {"gate": 0.0}])
def test_each_part_can_be_switched_off(change):
    model = build_segmenter(ModelSettings(weights="none", width=8, **change), 3)
    logits, scores, *_ = model.train()(torch.rand(2, 3, 50, 70))
    assert logits.shape == (2, 3, 13, 18)
    assert scores.shape == (2, 2)


def test_packaged_weights_are_those_of_imagenet():
    random = build_backbone("efficientnet_lite0", "none", 16)
    pretrained = build_backbone("efficientnet_lite0", "imagenet", 16)
    assert pretrained.net.bn1.running_mean.abs().sum() > 0
    assert random.net.bn1.running_mean.abs().sum() == 0


def test_weights_from_a_file(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save(timm.create_model("mobilenetv3_small_050").state_dict(), path)
    backbone = build_backbone("mobilenetv3_small_050", str(path), 16)
    saved = torch.load(path, weights_only=True)["conv_stem.weight"]
    assert torch.equal(backbone.net.conv_stem.weight, saved)
    with pytest.raises(CheckpointError, match="expected"):
        build_backbone("efficientnet_lite0", str(path), 16)


@pytest.mark.parametrize(
    ("name", "weights", "stride", "cure"),
    [
        ("efficientnet_lit0", "none", 16, "Did you mean 'efficientnet_lite0'?"),
        ("wide_resnet38", "imagenet", 8, "or `none`"),
        ("wide_resnet38", "none", 16, "set model.stride to 8"),
        ("mobilenetv3_small_050", "nowhere.pth", 16, "nowhere.pth: no such file"),
        ("vit_tiny_patch16_224", "none", 8, "its strides are 16"),
    ],
)
def test_what_cannot_be_had_is_refused_with_the_cure(name, weights, stride, cure):
    with pytest.raises((SettingError, CheckpointError), match=cure.replace("?", r"\?")):
        build_backbone(name, weights, stride)


def test_a_failed_download_says_what_to_do(monkeypatch):
    def no_hub(*_args, **_options):
        raise OSError("cannot reach the hub")

    monkeypatch.setattr(timm, "create_model", no_hub)
    with pytest.raises(SettingError, match=r"cannot reach the hub.*or `none`"):
        build_backbone("mobilenetv3_small_050", "imagenet", 16)
