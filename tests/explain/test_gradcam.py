"""Grad-CAM held against Captum, on networks of our own making."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import LayerAttribution, LayerGradCam
from networks import TORCHVISION_INDEX, VGG_LAYERS, Branched, NarrowVgg, picture, seeded
from torch import nn

from soilscope import learn
from soilscope.errors import LearningStopped, UsageError
from soilscope.explain import grad_cam

pytestmark = pytest.mark.learn


def captums(module, layer, image, sign, output=0):
    """The peer: LayerGradCam with its ReLU, brought bilinearly to the image; a minus turns the prediction round."""
    batch = torch.from_numpy(image)[None]
    cam = LayerGradCam(lambda x: sign * module(x), layer)
    heat = cam.attribute(batch, target=output, relu_attributions=True)
    return LayerAttribution.interpolate(heat, image.shape[1:], "bilinear")[0, 0].detach().numpy()


@pytest.fixture(scope="module")
def vgg():
    return seeded(NarrowVgg).eval()


@pytest.mark.parametrize("sign", [+1, -1])
@pytest.mark.parametrize("layer", VGG_LAYERS)
def test_the_map_of_every_vgg_convolution_equals_captums(vgg, layer, sign):
    image = picture()
    ours = grad_cam(vgg, image, layer=layer, sign=sign)
    theirs = captums(vgg, vgg.features[TORCHVISION_INDEX[layer]], image, sign)
    assert ours.shape == (64, 64)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6 * max(theirs.max(), 1e-30))


@pytest.mark.parametrize("layer", VGG_LAYERS)
def test_at_each_layer_one_of_the_signs_has_something_to_show(vgg, layer):
    """So that the comparison with Captum is not one of zeros with zeros."""
    assert max(grad_cam(vgg, picture(), layer, sign).max() for sign in (1, -1)) > 0


@pytest.mark.parametrize("sign", [+1, -1])
@pytest.mark.parametrize("output", [0, 1])
@pytest.mark.parametrize("layer", ["stem", "norm", "deep.left", "deep.right"])
def test_any_named_layer_of_any_module_equals_captums(layer, output, sign):
    module, image = seeded(Branched).eval(), picture(33)
    ours = grad_cam(module, image, layer, sign, output)
    theirs = captums(module, module.get_submodule(layer), image, sign, output)
    assert max(grad_cam(module, image, layer, s, output).max() for s in (1, -1)) > 0
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6 * max(theirs.max(), 1e-30))


def test_block_names_stand_for_torchvisions_layers(vgg):
    image = picture()
    for name, index in TORCHVISION_INDEX.items():
        np.testing.assert_array_equal(grad_cam(vgg, image, name), grad_cam(vgg, image, f"features.{index}"))


def test_a_module_in_training_with_frozen_weights_is_left_exactly_as_it_was():
    module = seeded(NarrowVgg).train()
    module.features[3].eval()
    for weights in module.features.parameters():
        weights.requires_grad_(False)
    modes = [part.training for part in module.modules()]
    flags = [weights.requires_grad for weights in module.parameters()]
    state = {name: value.clone() for name, value in module.state_dict().items()}
    dice = torch.get_rng_state()
    with torch.no_grad():
        first = grad_cam(module, picture(), "block3_conv3", -1)
    assert [part.training for part in module.modules()] == modes
    assert [weights.requires_grad for weights in module.parameters()] == flags
    assert all(weights.grad is None for weights in module.parameters())
    assert all(torch.equal(value, module.state_dict()[name]) for name, value in state.items())
    assert all(not part._forward_hooks and not part._backward_hooks for part in module.modules())
    assert torch.equal(dice, torch.get_rng_state())
    np.testing.assert_array_equal(first, grad_cam(module.eval(), picture(), "block3_conv3", -1))


def test_batch_norms_running_means_stay_still():
    module = seeded(Branched).train()
    before = module.norm.running_mean.clone()
    grad_cam(module, picture(33), "stem")
    assert torch.equal(before, module.norm.running_mean)
    assert module.norm.num_batches_tracked == 0


def test_a_module_that_fails_midway_keeps_no_hook_and_its_mode():
    module = seeded(NarrowVgg).train()
    with pytest.raises(RuntimeError):
        grad_cam(module, picture(96), "block1_conv1")  # the dense layers want 64 x 64
    assert module.training
    assert not module.features[0]._forward_hooks


def test_autocast_around_the_call_does_not_change_the_map(vgg):
    plain = grad_cam(vgg, picture(), "block2_conv1")
    with torch.autocast("cpu", torch.bfloat16):
        np.testing.assert_array_equal(plain, grad_cam(vgg, picture(), "block2_conv1"))


def test_the_map_is_not_rescaled(vgg):
    """Twice the prediction, twice the map."""
    doubled = seeded(NarrowVgg).eval()
    with torch.no_grad():
        doubled.classifier[-1].weight *= 2
        doubled.classifier[-1].bias *= 2
    np.testing.assert_allclose(
        grad_cam(doubled, picture(), "block4_conv1"), 2 * grad_cam(vgg, picture(), "block4_conv1"), rtol=1e-5
    )


class Counter(nn.Module):
    """Counts bright pixels of the first channel: the cue is where they are, by construction."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 3, padding=1, bias=False)
        with torch.no_grad():
            self.conv.weight.zero_()
            self.conv.weight[0, 0] = 1 / 9

    def forward(self, images):
        return torch.relu(self.conv(images)).mean(dim=(1, 2, 3))


def test_a_planted_cue_is_found_where_it_is_and_the_other_sign_shows_nothing():
    """Fault 37: on a planted cue the map finds the cue."""
    image = np.zeros((3, 32, 32), np.float32)
    image[0, 20:26, 4:10] = 5.0
    image[1, 2:8, 20:30] = 9.0  # bright, but in a channel that does not count
    heat = grad_cam(Counter(), image, "conv")
    hottest = np.unravel_index(heat.argmax(), heat.shape)
    assert 20 <= hottest[0] < 26
    assert 4 <= hottest[1] < 10
    assert heat[2:8, 20:30].max() == 0
    assert grad_cam(Counter(), image, "conv", sign=-1).max() == 0


def test_an_all_zero_gradient_is_no_explanation_and_not_an_even_map():
    """Fault 37: all-zero gradient is "no explanation", not a uniform map."""
    deaf = seeded(NarrowVgg).eval()
    with torch.no_grad():
        deaf.classifier[0].weight.zero_()
        deaf.classifier[0].bias.fill_(-1)
    with pytest.raises(LearningStopped, match="block5_conv3") as raised:
        grad_cam(deaf, picture())
    assert raised.value.code == "no-explanation"


def test_a_layer_off_the_way_to_the_answer_is_no_explanation():
    class Aside(Counter):
        def forward(self, images):
            self.conv(images)
            return images.mean(dim=(1, 2, 3))

    image = torch.from_numpy(picture(16)).requires_grad_()
    with pytest.raises(LearningStopped) as raised:
        grad_cam(Aside(), image.detach(), "conv")
    assert raised.value.code == "no-explanation"


def test_weights_that_are_not_finite_are_refused():
    sick = seeded(NarrowVgg).eval()
    with torch.no_grad():
        sick.features[0].weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(LearningStopped) as raised:
        grad_cam(sick, picture(), "block1_conv1")
    assert raised.value.code == "not-finite"


@pytest.fixture(scope="module")
def model():
    """A soilscope model, trained for a moment on slices that vary."""
    source = np.random.default_rng(3)
    targets = source.uniform(0, 1, 24)
    images = (source.normal(size=(24, 3, 32, 32)) + 5 * targets[:, None, None, None] + 7).astype(np.float32)
    data = learn.Slices(images, targets, core="A", target="porosity-2")
    return learn.train(data, width=0.125, schedule=learn.Schedule(epochs=1), threads=1), images


@pytest.mark.parametrize("sign", [+1, -1])
@pytest.mark.parametrize("layer", ["block1_conv1", "block3_conv3"])
def test_a_models_map_equals_captums_on_the_standardised_image(model, layer, sign):
    trained, images = model
    mean, sd = (np.array(trained.card[name], np.float32) for name in ("channel_mean", "channel_sd"))
    seen = (images[0] - mean[:, None, None]) / sd[:, None, None]
    before = {name: value.clone() for name, value in trained.module.state_dict().items()}
    ours = grad_cam(trained, images[0], layer, sign)
    theirs = captums(trained.module, layer_of(trained.module, layer), seen, sign)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6 * max(theirs.max(), 1e-30))
    assert all(torch.equal(value, trained.module.state_dict()[name]) for name, value in before.items())


def layer_of(module, name):
    return module.features[TORCHVISION_INDEX[name]]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"layer": "block6_conv1"}, "layer-unknown"),
        ({"layer": ""}, "layer-unknown"),
        ({"layer": "classifier.0"}, "layer-shape"),
        ({"sign": 0}, "sign"),
        ({"output": 1}, "unknown-output"),
        ({"output": -1}, "unknown-output"),
        ({"image": np.zeros((1, 3, 64, 64), np.float32)}, "image-shape"),
    ],
)
def test_a_wrong_call_is_refused_by_name(vgg, change, code):
    call = {"image": picture(), "layer": "block5_conv3"} | change
    with pytest.raises(UsageError) as raised:
        grad_cam(vgg, **call)
    assert raised.value.code == code


def test_an_unknown_layer_is_answered_with_the_layers_there_are(vgg):
    with pytest.raises(UsageError, match=r"block1_conv1, block1_conv2.*block5_conv3"):
        grad_cam(vgg, picture(), "conv5_3")
    with pytest.raises(UsageError, match=r"stem.*deep\.left"):
        grad_cam(seeded(Branched), picture(33), "block1_conv1")
