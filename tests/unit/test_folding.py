"""What makes the backbone quicker leaves its results as they are."""

import pytest
import timm
import torch
from torch import nn
from torch.nn import functional as F

from wsfcn.models.depthwise import depthwise_conv2d
from wsfcn.models.folding import FoldedConv2d, fold_norms
from wsfcn.models.layers import Dropout, coins
from wsfcn.models.wide_resnet import WideResNet38


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"),
    [(3, 1, 1, 1), (5, 1, 4, 2), (3, 2, 0, 1), (5, 2, 2, 1), (3, 1, 0, 3)],
)
def test_depthwise_gradients_are_pytorchs(kernel, stride, padding, dilation, threads):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, 6, 11, 13, generator=generator).to(memory_format=torch.channels_last)
    weight, bias = torch.randn(6, 1, kernel, kernel, generator=generator), torch.randn(6)
    inputs = [t.requires_grad_() for t in (x, weight, bias)]
    expected = F.conv2d(*inputs, stride, padding, dilation, 6)
    gradient = torch.randn(expected.shape, generator=generator)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = depthwise_conv2d(*inputs, stride, padding, dilation)
        assert "DepthwiseConv2d" in found.grad_fn.name()
        ours = torch.autograd.grad(found, inputs, gradient)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found, expected)
    for mine, theirs in zip(ours, torch.autograd.grad(expected, inputs, gradient), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


NETS = {
    "efficientnet": lambda: timm.create_model("tf_efficientnet_lite0", features_only=True),
    "resnet": lambda: timm.create_model("resnet18", features_only=True, output_stride=16),
    "wide_resnet": WideResNet38,
}


@pytest.mark.parametrize("name", NETS)
def test_folded_norms_change_neither_features_nor_gradients(name):
    torch.manual_seed(0)
    net = NETS[name]()
    for norm in (m for m in net.modules() if isinstance(m, nn.BatchNorm2d)):
        nn.init.uniform_(norm.running_mean, -0.1, 0.1)
        nn.init.uniform_(norm.running_var, 0.5, 2)
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        norm.requires_grad_(False)
    net.eval()
    names = list(net.state_dict())
    picture = torch.rand(2, 3, 64, 80)

    def run():
        net.zero_grad()
        features = net(picture)
        sum(feature.square().mean() for feature in features).backward()
        learnt = {n: p.grad.clone() for n, p in net.named_parameters() if p.grad is not None}
        return features, learnt

    features, gradients = run()
    fold_norms(net)
    assert sum(isinstance(m, FoldedConv2d) for m in net.modules()) > 15
    folded, after = run()
    assert list(net.state_dict()) == names
    assert gradients.keys() == after.keys()
    for one, other in zip(features, folded, strict=True):
        assert (one - other).norm() <= 1e-4 * one.norm()
    for name, gradient in gradients.items():
        # Rounding may move a value across the zero of its activation.
        assert (gradient - after[name]).norm() <= 1e-2 * gradient.norm(), name


def test_coins_fall_as_often_as_they_should():
    torch.manual_seed(0)
    for shape in ((1, 3, 5, 7), (64, 16, 16, 16), (9,)):
        assert coins(torch.empty(shape), 0.3).shape == shape
    like = torch.empty(64, 16, 16, 16).to(memory_format=torch.channels_last)
    for probability in (0.1, 0.5, 0.98):
        thrown = coins(like, probability)
        # Five standard deviations of 262,144 throws.
        bound = 5 * (probability * (1 - probability) / like.numel()) ** 0.5
        assert thrown.float().mean() == pytest.approx(probability, abs=bound)
        # Neighbours share a random number, but not a fate.
        flat = thrown.permute(0, 2, 3, 1).flatten().float()
        assert torch.corrcoef(torch.stack([flat[:-1], flat[1:]]))[0, 1].abs() < 0.01
    assert coins(like, 1.0).all()


def test_dropout_keeps_the_mean():
    torch.manual_seed(0)
    drop = Dropout(0.25)
    x = torch.ones(8, 16, 32, 32, requires_grad=True)
    dropped = drop(x)
    assert dropped.detach().unique().tolist() == pytest.approx([0, 4 / 3])
    assert dropped.mean().item() == pytest.approx(1, abs=0.01)
    dropped.sum().backward()
    assert torch.equal(x.grad, dropped.detach())
    assert drop.eval()(x) is x
