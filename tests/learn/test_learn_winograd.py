"""Winograd's convolutions and their ReLU against the direct sum in float64, forward and backward."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soilscope.classes.loops import compiled

torch = pytest.importorskip("torch", reason="learning needs PyTorch")
from soilscope.learn import elements, fitting, network, winograd  # noqa: E402  (after the skip)
from soilscope.learn.winograd import Winograd, for_precision, for_training  # noqa: E402

pytestmark = pytest.mark.learn

ERROR = 1e-4
"""Of the largest value: float32 sums through F(4 x 4, 3 x 3) or F(5 x 5, 3 x 3) differ by about 1e-5."""


def tensors(n, into, out, height, width, seed):
    draw = torch.Generator().manual_seed(seed)
    inputs = torch.randn(n, into, height, width, generator=draw).contiguous(memory_format=torch.channels_last)
    weight, bias = torch.randn(out, into, 3, 3, generator=draw) / into, torch.randn(out, generator=draw)
    return inputs, weight, bias, torch.randn(n, out, height, width, generator=draw)


def results(convolve, arrays):
    leaves = [a.clone().requires_grad_() for a in arrays[:3]]
    out = convolve(*leaves)
    out.backward(arrays[3])
    return [out.detach(), *(leaf.grad for leaf in leaves)]


def directly(arrays, positive):
    """The same by PyTorch in float64; the gradient passes where ``positive``, so that a sum near 0 may have either sign."""
    inputs, weight, bias, gradient = (a.double() for a in arrays)
    leaves = [a.clone().requires_grad_() for a in (inputs, weight, bias)]
    out = torch.nn.functional.conv2d(*leaves, padding=1)
    out.backward(gradient * positive)
    return [out.detach().clamp(min=0), *(leaf.grad for leaf in leaves)]


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(1, 3), into=st.integers(1, 9), out=st.integers(1, 9),
    height=st.integers(1, 21), width=st.integers(1, 21), seed=st.integers(0, 99),
)  # fmt: skip
def test_output_and_all_gradients_equal_the_direct_sum(n, into, out, height, width, seed):
    close_to_the_direct_sum(tensors(n, into, out, height, width, seed))


@pytest.mark.parametrize(("pixels", "tile"), [(8, 4), (12, 4), (16, 4), (5, 5), (10, 5), (24, 5), (25, 5)])
def test_each_size_of_image_takes_the_tile_with_fewer_products_and_both_are_right(pixels, tile):
    arrays = tensors(2, 16, 24, pixels, pixels, pixels)
    assert {grid.tile for _, grid in Winograd(1).grids(arrays[0].permute(0, 2, 3, 1), 24)} == {tile}
    close_to_the_direct_sum(arrays)


def close_to_the_direct_sum(arrays):
    ours = results(Winograd(2).convolve, arrays)
    exact = directly(arrays, ours[0] > 0)
    for mine, true in zip(ours, exact, strict=True):
        assert mine.shape == true.shape
        assert float((mine.double() - true).abs().max()) <= ERROR * max(float(true.abs().max()), 1.0)


def test_the_number_of_tile_threads_changes_no_byte():
    arrays = tensors(2, 5, 7, 18, 13, 0)
    one, three = (results(Winograd(threads).convolve, arrays) for threads in (1, 3))
    assert all(torch.equal(a, b) for a, b in zip(one, three, strict=True))


def test_scratch_memory_of_an_earlier_larger_image_does_not_shine_through():
    own = Winograd(1)
    own.convolve(*tensors(2, 8, 8, 21, 21, 1)[:3])
    inputs, weight, bias, _ = tensors(1, 3, 4, 6, 5, 2)
    again, fresh = own.convolve(inputs, weight, bias), Winograd(1).convolve(inputs, weight, bias)
    assert torch.equal(again, fresh)


def test_a_whole_wide_network_gives_the_same_numbers_with_and_without():
    module = network.build("small", image_size=96, width=1.0, seed=1).to(memory_format=torch.channels_last)
    assert Winograd(1).gains(*module.features[3:5], 20, 20) is False
    assert Winograd(1).gains(*module.features[3:5], 100, 100)
    inputs = torch.randn(1, 3, 200, 200, generator=torch.Generator().manual_seed(0)).contiguous(
        memory_format=torch.channels_last
    )
    with torch.inference_mode():
        with_it = fitting.forward(module, inputs, "fp32", for_precision("fp32", 1))
        without = fitting.forward(module, inputs, "fp32")
    assert not torch.equal(with_it, without), "the network has layers wide enough for it"
    assert with_it.numpy() == pytest.approx(without.numpy(), rel=1e-3, abs=1e-5)


def test_predictions_in_bf16_take_the_direct_sums():
    assert for_precision("bf16", 2) is None
    assert for_precision("fp32", 2) is not None


def test_only_wide_convolutions_followed_by_a_relu_are_done_so():
    relu, wide = torch.nn.ReLU(), torch.nn.Conv2d(64, 64, 3, padding=1)
    for own in (for_training("fp32", 1), for_training("bf16", 1)):
        assert own.gains(wide, relu, 200, 200)
        assert not own.gains(relu, wide, 200, 200)
        assert not own.gains(torch.nn.Conv2d(3, 64, 3, padding=1), relu, 200, 200)
        assert not own.gains(wide, torch.nn.MaxPool2d(2), 200, 200), "a convolution whose ReLU does not follow"
        assert own.gains(wide, relu, 32, 32) is not own.half


def test_not_a_number_goes_through_the_relu():
    inputs, weight, bias, _ = tensors(1, 3, 4, 8, 8, 0)
    inputs[0, 1, 3, 3] = torch.nan
    assert torch.isnan(Winograd(1).convolve(inputs, weight, bias)[0, :, 3, 3]).all()


# bf16


def test_elements_of_bf16_are_those_of_pytorch():
    draw = torch.Generator().manual_seed(0)
    bits = torch.randint(-(2**31), 2**31 - 1, (20000,), generator=draw, dtype=torch.int32)
    special = torch.tensor(
        [0.0, -0.0, 1.0, 1.00390625, 1.01171875, 3.4e38, -3.4e38, 1e-40, torch.inf, -torch.inf, torch.nan]
    )
    numbers = torch.cat([bits.view(torch.float32), special])
    numbers = numbers[
        torch.isfinite(numbers) | torch.isinf(numbers) | (numbers.view(torch.int32) == special[-1:].view(torch.int32))
    ]
    stored = np.zeros(len(numbers), np.uint16)
    narrowed(numbers.numpy(), stored)
    ours, theirs = torch.from_numpy(stored).view(torch.bfloat16), numbers.to(torch.bfloat16)
    assert torch.equal(torch.isnan(ours), torch.isnan(theirs))
    known = ~torch.isnan(theirs)
    assert torch.equal(ours[known].view(torch.int16), theirs[known].view(torch.int16))
    back = np.zeros(len(numbers), np.float32)
    widened(stored, back)
    assert torch.equal(torch.from_numpy(back)[known], theirs.float()[known])


@compiled
def narrowed(numbers, stored):
    for i in range(numbers.size):
        stored[i] = elements.element(numbers[i], stored)


@compiled
def widened(stored, numbers):
    for i in range(stored.size):
        numbers[i] = elements.number(stored[i])


def test_the_same_elements_without_a_compiler():
    like = np.zeros(1, np.uint16)
    for value in np.array([0.0, 1.00390625, -3.14159, 65504.0, np.inf], np.float32):
        stored = elements.element(value, like)
        assert elements.number(stored) == torch.tensor(value).to(torch.bfloat16).float().item()
    assert elements.element(np.float32(0.1), np.zeros(1, np.float32)) == np.float32(0.1)


def in_bf16(arrays):
    """Tensors that bf16 holds exactly, so that only what is computed differs."""
    return [
        a.to(torch.bfloat16).float().contiguous(memory_format=torch.channels_last) if a.ndim == 4 else a for a in arrays
    ]


@pytest.mark.parametrize(("channels", "pixels", "n"), [(32, 24, 4), (64, 25, 3), (48, 13, 2)])
def test_training_in_bf16_errs_by_a_few_percent_without_leaning_to_one_side(channels, pixels, n):
    arrays = in_bf16(tensors(n, channels, channels, pixels, pixels, pixels))
    leaves = [arrays[0].to(torch.bfloat16).requires_grad_(), *(a.clone().requires_grad_() for a in arrays[1:3])]
    out = for_training("bf16", 2).convolve(*leaves)
    out.backward(arrays[3].to(torch.bfloat16))
    exact = directly(arrays, out.detach() > 0)
    for mine, true in zip([out.detach(), *(leaf.grad for leaf in leaves)], exact, strict=True):
        error, size = mine.double() - true, true.square().mean().sqrt()
        assert error.square().mean().sqrt() <= 0.05 * size
        assert abs(error.mean()) <= 0.01 * size


def test_images_in_groups_give_what_all_at_once_give(monkeypatch):
    arrays = in_bf16(tensors(5, 32, 32, 17, 17, 3))
    found = []
    for near, more in ((1, 0), (1 << 30, 0)):
        monkeypatch.setattr(winograd, "NEAR_BYTES", near)
        monkeypatch.setattr(winograd, "MORE_THAN_KERNELS", more)
        found.append(results(Winograd(2).convolve, arrays))
        assert len(list(Winograd(1).grids(arrays[0].permute(0, 2, 3, 1), 32))) == (5 if near == 1 else 1)
    for one, all_at_once in zip(*found, strict=True):
        assert one.numpy() == pytest.approx(all_at_once.numpy(), rel=1e-4, abs=1e-4 * float(all_at_once.abs().max()))


def test_the_number_of_tile_threads_changes_no_byte_in_bf16():
    arrays = in_bf16(tensors(2, 32, 32, 18, 13, 0))
    one, three = (results(lambda *a, k=k: Winograd(k, half=True).convolve(*a).float(), arrays) for k in (1, 3))
    assert all(torch.equal(a, b) for a, b in zip(one, three, strict=True))


def test_a_wide_networks_gradients_in_bf16_point_where_those_in_fp32_do():
    module = network.build("vgg16", image_size=64, width=1.0, head="pooled", seed=1).to(
        memory_format=torch.channels_last
    )
    draw = torch.Generator().manual_seed(0)
    noise, targets = torch.randn(4, 3, 68, 68, generator=draw), torch.randn(4, generator=draw)
    images = (5 * torch.nn.functional.avg_pool2d(noise, 5, 1)).contiguous(memory_format=torch.channels_last)
    found = []
    for precision, convolve in (("fp32", None), ("bf16", for_training("bf16", 2))):
        module.zero_grad(set_to_none=True)
        (fitting.forward(module, images, precision, convolve)[:, 0] - targets).square().mean().backward()
        found.append([p.grad.flatten() for p in module.parameters()])
    for exact, ours in zip(*found, strict=True):
        assert torch.nn.functional.cosine_similarity(exact, ours, dim=0) >= 0.7
    assert torch.nn.functional.cosine_similarity(*(torch.cat(gradients) for gradients in found), dim=0) >= 0.9
