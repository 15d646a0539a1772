"""Large dense layers of few images against PyTorch in float64."""

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


def test_threads_change_no_byte_of_a_thin_gradient():
    grads = []
    for threads in (1, 3):
        layer = torch.nn.Linear(40, 30)
        layer.weight.data, layer.bias.data = drawn(30, 40), drawn(30)
        thin.dense(Winograd(threads), drawn(6, 40), layer).backward(drawn(6, 30))
        grads.append([layer.weight.grad, layer.bias.grad])
    assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))


def test_a_whole_networks_gradients_are_the_same_with_and_without():
    inputs = drawn(2, 3, 64, 64).contiguous(memory_format=torch.channels_last)
    found = []
    for convolve in (None, for_precision("fp32", 2)):
        module = network.build("small", image_size=64, width=1.0, head="dense", seed=1).to(
            memory_format=torch.channels_last
        )
        assert thin.is_large_dense(module.classifier[0], inputs)
        fitting.forward(module, inputs, "fp32", convolve).square().sum().backward()
        found.append([p.grad for p in module.parameters()])
    for with_it, without in zip(*found, strict=True):
        assert float((with_it - without).abs().max()) <= 1e-3 * float(without.abs().max())


def test_layers_that_are_not_thin_are_left_alone():
    wide = torch.nn.Linear(4096, 4096)
    assert thin.is_large_dense(wide, drawn(8, 1))
    assert not thin.is_large_dense(wide, drawn(65, 1))
    assert not thin.is_large_dense(torch.nn.Linear(10, 10), drawn(8, 1))
    assert not thin.is_large_dense(torch.nn.ReLU(), drawn(8, 1))
