"""Seeing: images become views once, labels move with pixels, words change what is seen and pointed at."""

from __future__ import annotations

import pytest
import torch

from sayso.models.vla.augmentation import Augmentation, prepare, prepare_augmented
from sayso.models.vla.keypoints import Pointer
from sayso.models.vla.vision import FiLMResNet

B, T, C, SIZE, N, D, WIDTH = 3, 1, 2, 32, 3, 16, 24
STILL = Augmentation(shift_px=0, brightness=0.0, contrast=0.0, colour_gain=0.0)


SIZES = [(SIZE, SIZE), (SIZE, SIZE + 16)]


def images(batch: int = B, size: tuple[int, int] = (SIZE, SIZE)) -> torch.Tensor:
    drawn = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (batch, T, *size, 3), dtype=torch.uint8, generator=drawn)


def network() -> FiLMResNet:
    torch.manual_seed(0)
    return FiLMResNet(image_sizes=SIZES, condition=N * D, stem=8, width=WIDTH, stem_blocks=1, blocks=1)


def pointer(cameras: int = C) -> Pointer:
    torch.manual_seed(0)
    return Pointer(
        grids=[(4, 4), (4, 6)][:cameras],
        spans=[(4.0, 4.0), (4.0, 6.0)][:cameras],
        slots=N,
        slot_width=D,
        width=WIDTH,
        referents=2,
        free=1,
    )


def patches() -> list[torch.Tensor]:
    return [torch.randn(B, T, 16, WIDTH), torch.randn(B, T, 24, WIDTH)]


def test_black_becomes_minus_one_and_white_one():
    pixels = torch.tensor([0, 255], dtype=torch.uint8).reshape(1, 1, 1, 2, 1).expand(1, 1, 2, 2, 3)
    views = prepare(pixels)
    assert views.shape == (1, 1, 3, 2, 2)
    assert views[0, 0, 0, 0].tolist() == pytest.approx([-1, 1])


def test_augmentation_of_nothing_is_preparation():
    views, _ = prepare_augmented(images(), None, STILL, None)
    assert torch.allclose(views, prepare(images()), atol=1e-5)


def test_augmentation_repeats_with_the_same_seed_and_differs_with_another():
    def first(seed: int) -> torch.Tensor:
        return prepare_augmented(images(), None, Augmentation(), torch.Generator().manual_seed(seed))[0]

    assert torch.equal(first(1), first(1))
    assert not torch.equal(first(1), first(2))


def test_labels_move_with_the_pixels_they_mark():
    shown = torch.zeros(8, 1, SIZE, SIZE, 3, dtype=torch.uint8)
    shown[:, :, 10, 20] = 255
    points = torch.tensor([20.5 / SIZE, 10.5 / SIZE, 1.0]).expand(8, 1, 3)
    shifting = Augmentation(shift_px=4, brightness=0.0, contrast=0.0, colour_gain=0.0)
    views, moved = prepare_augmented(shown, points, shifting, torch.Generator().manual_seed(0))
    assert moved is not None
    assert len(moved[..., :2].unique(dim=0)) > 1
    for view, (u, v, visible) in zip(views[:, 0, 0], moved[:, 0].tolist(), strict=True):
        assert divmod(int(view.argmax()), SIZE) == (int(v * SIZE), int(u * SIZE))
        assert visible == 1


def test_a_label_shifted_out_of_the_image_is_no_longer_visible():
    points = torch.tensor([0.0, 0.5, 1.0]).expand(64, 1, 3)
    shown = torch.zeros(64, 1, SIZE, SIZE, 3, dtype=torch.uint8)
    _, moved = prepare_augmented(shown, points, Augmentation(shift_px=4), torch.Generator().manual_seed(0))
    assert moved is not None
    assert torch.equal(moved[..., 2] == 1, moved[..., 0] >= 0)
    assert 0 < moved[..., 2].mean() < 1


def test_patches_lie_on_a_grid_of_one_eighth():
    net = network()
    assert net.grids == [(4, 4), (4, 6)]
    seen = net([prepare(images(size=size)) for size in SIZES], torch.randn(B, N, D))
    assert [tuple(patches.shape) for patches in seen] == [(B, T, 16, WIDTH), (B, T, 24, WIDTH)]


def test_words_change_what_is_seen_once_film_is_trained():
    net, views = network(), [prepare(images(1, size)) for size in SIZES]
    one, other = torch.randn(1, N, D), torch.randn(1, N, D)
    for seen, same in zip(net(views, one), net(views, other), strict=True):
        assert torch.equal(seen, same), "FiLM starts as the identity"
    torch.nn.init.normal_(net.film.weight, std=0.1)
    for seen, different in zip(net(views, one), net(views, other), strict=True):
        assert not torch.allclose(seen, different, atol=1e-3)


def test_an_image_that_patches_do_not_fill_is_filled_up_and_points_stay_where_they_were():
    torch.manual_seed(0)
    net = FiLMResNet(image_sizes=[(27, 65)], condition=1, stem=8, width=8, stem_blocks=0, blocks=0)
    assert net.grids == [(4, 9)]
    (patches,) = net([torch.zeros(1, 1, 3, 27, 65)], torch.zeros(1, 1, 1))
    assert patches.shape == (1, 1, 36, 8)
    point = Pointer(
        grids=net.grids, spans=net.spans, slots=1, slot_width=1, width=8, referents=1, free=1
    )  # fmt: skip
    u, v = point.get_buffer("centres_0").unbind(1)
    assert (float(u[0]), float(v[0])) == pytest.approx((4 / 65, 4 / 27)), "the middle of the first 8 pixels"


def test_a_heat_map_sums_to_one_and_points_inside_the_image():
    keypoints = pointer()(patches(), torch.randn(B, N, D))
    assert keypoints.seen.shape == (B, T * C, 3, WIDTH)
    for log_heat in keypoints.log_heats:
        assert torch.allclose(log_heat.exp().sum(-1), torch.ones(B, T, 3), atol=1e-5)
    assert ((keypoints.where > 0) & (keypoints.where < 1)).all()
    found = torch.cat([log_heat[..., :-1].exp().sum(-1) for log_heat in keypoints.log_heats], 1)
    assert torch.allclose(keypoints.presence, found, atol=1e-5)


def test_a_heat_map_on_one_patch_points_at_its_centre():
    point = pointer(cameras=1)
    with torch.no_grad():
        point.view_query[:] = 0
        point.referent_query.weight.zero_()
        point.referent_query.bias.fill_(1.0)
    seen = torch.zeros(1, 1, 16, WIDTH)
    seen[0, 0, 6] = 100.0
    with torch.no_grad():
        keypoints = point([seen], torch.randn(1, N, D))
    assert keypoints.where[0, 0, 0].tolist() == pytest.approx([2.5 / 4, 1.5 / 4], abs=1e-4)
    assert keypoints.presence[0, 0, 0] > 0.99


def test_between_two_peaks_a_referent_is_averaged_in_training_and_committed_to_one_when_acting():
    point = pointer(cameras=1)
    with torch.no_grad():
        point.view_query[:] = 0
        for ask in (point.referent_query, point.free_query):
            ask.weight.zero_()
            ask.bias.fill_(1.0)
    seen = torch.zeros(1, 1, 16, WIDTH)
    seen[0, 0, 0], seen[0, 0, 15] = 100.0, 100.1
    with torch.no_grad():
        torn = point([seen], torch.randn(1, N, D))
        sure = point.eval()([seen], torch.randn(1, N, D))
    assert 0.3 < torn.where[0, 0, 0, 0] < 0.8
    assert sure.where[0, 0, 0].tolist() == pytest.approx([3.5 / 4, 3.5 / 4], abs=1e-4)
    assert torch.equal(sure.presence, torn.presence)
    assert torch.equal(sure.where[:, :, point.referents :], torn.where[:, :, point.referents :])


def test_only_the_referents_are_held_against_labels():
    point = pointer()
    keypoints = point(patches(), torch.randn(B, N, D))
    for log_heat in keypoints.log_heats:
        log_heat.retain_grad()
    heat, where = point.loss(keypoints, torch.rand(B, C, 2, 3).round())
    assert heat > 0 and where >= 0
    heat.backward()
    for log_heat in keypoints.log_heats:
        touched = log_heat.grad.abs().sum(dim=(0, 3)) > 0
        assert touched.tolist() == [[True, True, False]]


def test_what_is_not_visible_is_sought_nowhere_wherever_its_label_lies():
    point = pointer()
    keypoints = point(patches(), torch.randn(B, N, D))
    hidden, nonsense = torch.zeros(B, C, 2, 3), torch.full((B, C, 2, 3), torch.nan)
    nonsense[..., 2] = 0
    heat, where = point.loss(keypoints, nonsense)
    assert (heat, where) == point.loss(keypoints, hidden)
    nowhere = [-log_heat[:, -1, :2, -1].mean() for log_heat in keypoints.log_heats]
    assert torch.isclose(heat, torch.stack(nowhere).mean())
    assert where == 0
