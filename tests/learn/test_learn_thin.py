"""Gradients of layers with one thin side against PyTorch in float64."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="learning needs PyTorch")
from soilscope.learn import fitting, network, thin  # noqa: E402  (after the skip)
from soilscope.learn.winograd import Winograd, for_precision  # noqa: E402

pytestmark = pytest.mark.learn


def drawn(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def close(ours, exact):
    assert ours.shape == exact.shape
    assert float((ours.double() - exact).abs().max()) <= 1e-5 * max(float(exact.abs().max()), 1.0)


@pytest.mark.parametrize(("images", "into", "out"), [(1, 7, 5), (4, 33, 8), (8, 64, 31), (11, 130, 3)])
def test_a_dense_layer_and_all_its_gradients_equal_the_direct_sum(images, into, out):
    layer, gradient = torch.nn.Linear(into, out), drawn(images, out)
    inputs = drawn(images, into).requires_grad_()
    said = thin.dense(Winograd(2), inputs, layer)
    said.backward(gradient)
    weight, bias = layer.weight.detach().double(), layer.bias.detach().double()
    close(said.detach(), inputs.detach().double() @ weight.T + bias)
    close(layer.weight.grad, gradient.double().T @ inputs.detach().double())
    close(layer.bias.grad, gradient.double().sum(0))
    close(inputs.grad, gradient.double() @ weight)


@pytest.mark.parametrize(("images", "height", "width"), [(1, 1, 1), (2, 5, 4), (1, 6, 7), (3, 9, 14)])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_first_convolution_and_its_gradients_equal_the_direct_sum(images, height, width, channels):
    layer = torch.nn.Conv2d(channels, 16, 3, padding=1)
    inputs = drawn(images, channels, height, width).contiguous(memory_format=torch.channels_last)
    gradient = drawn(images, 16, height, width)
    said = thin.first_convolution(Winograd(2), inputs, layer)
    said.backward(gradient)
    leaves = [a.detach().double().requires_grad_() for a in (layer.weight, layer.bias)]
    exact = torch.nn.functional.conv2d(inputs.double(), *leaves, padding=1)
    exact.backward(gradient * (said.detach() > 0))
    close(said.detach(), exact.detach().clamp(min=0))
    close(layer.weight.grad, leaves[0].grad)
    close(layer.bias.grad, leaves[1].grad)


def test_threads_change_no_byte_of_a_thin_gradient():
    grads = []
    for threads in (1, 3):
        dense, first = torch.nn.Linear(40, 30), torch.nn.Conv2d(3, 16, 3, padding=1)
        for layer in (dense, first):
            for number, parameter in enumerate(layer.parameters()):
                parameter.data = drawn(*parameter.shape) + number
        own = Winograd(threads)
        thin.dense(own, drawn(6, 40), dense).backward(drawn(6, 30))
        thin.first_convolution(own, drawn(2, 3, 11, 13), first).backward(drawn(2, 16, 11, 13))
        grads.append([p.grad for layer in (dense, first) for p in layer.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))


def test_a_whole_networks_gradients_are_the_same_with_and_without():
    inputs = drawn(2, 3, 64, 64).contiguous(memory_format=torch.channels_last)
    found = []
    for convolve in (None, for_precision("fp32", 2)):
        module = network.build("small", image_size=64, width=1.0, head="dense", seed=1).to(
            memory_format=torch.channels_last
        )
        assert thin.is_first_convolution(module.features[0], module.features[1], inputs)
        assert thin.is_large_dense(module.classifier[0], inputs)
        fitting.forward(module, inputs, "fp32", convolve).square().sum().backward()
        found.append([p.grad for p in module.parameters()])
    for with_it, without in zip(*found, strict=True):
        assert float((with_it - without).abs().max()) <= 1e-3 * float(without.abs().max())


def test_layers_that_are_not_thin_are_left_alone():
    relu = torch.nn.ReLU()
    wide = torch.nn.Linear(4096, 4096)
    assert thin.is_large_dense(wide, drawn(8, 1))
    assert not thin.is_large_dense(wide, drawn(65, 1))
    assert not thin.is_large_dense(torch.nn.Linear(10, 10), drawn(8, 1))
    assert not thin.is_large_dense(relu, drawn(8, 1))
    first = torch.nn.Conv2d(3, 64, 3, padding=1)
    assert thin.is_first_convolution(first, relu, drawn(1, 3, 8, 8))
    assert not thin.is_first_convolution(first, None, drawn(1, 3, 8, 8))
    assert not thin.is_first_convolution(first, relu, drawn(1, 3, 8, 8).requires_grad_())
    assert not thin.is_first_convolution(torch.nn.Conv2d(16, 64, 3, padding=1), relu, drawn(1, 16, 8, 8))
