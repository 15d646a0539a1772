"""The network: torchvision's names, shapes and count, and weights that train."""

from __future__ import annotations

import numpy as np
import pytest

from soilscope import errors
from soilscope.learn import network

torch = pytest.importorskip("torch", reason="learning needs PyTorch")
pytestmark = pytest.mark.learn

# names and shapes of torchvision.models.vgg16().state_dict(), as published
TORCHVISION_CONVOLUTIONS = {
    0: (64, 3), 2: (64, 64), 5: (128, 64), 7: (128, 128), 10: (256, 128), 12: (256, 256), 14: (256, 256), 17: (512, 256),
    19: (512, 512), 21: (512, 512), 24: (512, 512), 26: (512, 512), 28: (512, 512),
}  # fmt: skip
TORCHVISION_DENSE = {0: (4096, 25088), 3: (4096, 4096), 6: (1000, 4096)}
TORCHVISION_PARAMETERS = 138_357_544
VGG11_PARAMETERS = 132_863_336
VGG13_PARAMETERS = 133_047_848


def on_paper(**settings):
    """A network whose weights were never written, so that its memory is never touched."""
    return network._parts(**settings)


def shapes(module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


def count(module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("image_size", [64, 200, 224])
def test_names_and_shapes_equal_torchvisions_vgg16_whatever_the_images_size(image_size):
    expected = {}
    for place, (out, into) in TORCHVISION_CONVOLUTIONS.items():
        expected |= {f"features.{place}.weight": (out, into, 3, 3), f"features.{place}.bias": (out,)}
    for place, (out, into) in TORCHVISION_DENSE.items():
        expected |= {f"classifier.{place}.weight": (out, into), f"classifier.{place}.bias": (out,)}
    module = on_paper(kind="vgg16", image_size=image_size, width=1.0, outputs=1000, head="dense")
    assert shapes(module) == expected


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [("vgg16", TORCHVISION_PARAMETERS), ("vgg11", VGG11_PARAMETERS), ("vgg13", VGG13_PARAMETERS)],
)
def test_the_number_of_parameters_is_the_published_one(kind, parameters):
    assert count(on_paper(kind=kind, image_size=224, width=1.0, outputs=1000, head="dense")) == parameters


def test_the_flat_head_at_200_pixels_has_the_107_million_parameters_of_the_papers_scripts():
    module = on_paper(kind="vgg16", image_size=200, width=1.0, outputs=1, head="flat")
    assert count(module) == 14_714_688 + (6 * 6 * 512 * 4096 + 4096) + (4096 * 4096 + 4096) + 4097 == 107_001_665


def test_the_public_vgg16_is_torchvisions_by_default():
    module = network.vgg16(image_size=32, width=0.125)
    assert module.classifier[0].weight.shape == (512, 64 * 49)
    assert module(torch.zeros(2, 3, 32, 32)).shape == (2, 1)


@pytest.mark.parametrize("head", ["pooled", "pooled-dense", "dense", "flat"])
@pytest.mark.parametrize("kind", ["vgg16", "vgg13", "vgg11", "small"])
def test_every_kind_and_head_maps_images_to_outputs(kind, head):
    module = network.build(kind, image_size=32, width=0.125, outputs=2, head=head)
    assert module(torch.zeros(3, 3, 32, 32)).shape == (3, 2)


def test_layer_names_follow_the_blocks():
    module = network.build("vgg16", image_size=32, width=0.125)
    names = network.layer_names(module)
    assert list(names)[:3] == ["block1_conv1", "block1_conv2", "block2_conv1"]
    assert names["block5_conv3"] == "features.28"
    assert len(names) == 13
    assert network.layer_module(module, "block5_conv3") is module.features[28]
    assert network.layer_module(module, "features.0") is network.layer_module(module, "block1_conv1")


def test_an_unknown_layer_is_refused_with_the_names_there_are():
    with pytest.raises(errors.UsageError, match="block5_conv3") as caught:
        network.layer_module(network.build("vgg16", image_size=32, width=0.125), "block6_conv1")
    assert caught.value.code == "layer-unknown"


def test_any_module_can_be_asked_for_its_layers_by_their_own_names():
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
    assert network.layer_module(module, "0") is module[0]


def test_weights_have_the_kaiming_sd_and_biases_are_zero():
    module = network.build("vgg11", image_size=32, width=0.5, head="pooled-dense", seed=1)
    for layer in module.modules():
        if isinstance(layer, torch.nn.Conv2d):
            assert float(layer.weight.detach().std()) == pytest.approx(np.sqrt(2 / (9 * layer.in_channels)), rel=0.12)
            assert not layer.bias.any()
    last = module.classifier[-1]
    assert float(last.weight.detach().std()) == pytest.approx(0.01, rel=0.2)
    assert not last.bias.any()


def test_weights_come_from_the_seed_alone_and_leave_the_global_generator_untouched():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = network.build("small", image_size=32, width=0.125, seed=5)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    second = network.build("small", image_size=32, width=0.125, seed=5)
    other = network.build("small", image_size=32, width=0.125, seed=6)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.features[0].weight, other.features[0].weight)


def test_a_convolutions_output_is_not_overwritten_by_what_follows():
    module = network.build("small", image_size=32, width=0.125)
    kept = []
    module.features[0].register_forward_hook(lambda _m, _i, out: kept.append(out))
    module(torch.randn(1, 3, 32, 32))
    assert float(kept[0].detach().min()) < 0


@pytest.mark.parametrize(
    "settings",
    [{"kind": "resnet"}, {"head": "none"}, {"image_size": 16}, {"width": 0.0}, {"outputs": 0}],
)
def test_networks_that_cannot_be_are_refused(settings):
    with pytest.raises(errors.UsageError) as caught:
        network.build(**{"image_size": 64, **settings})
    assert caught.value.code == "network"
