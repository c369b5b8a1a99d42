from __future__ import annotations

import io

import numpy as np
from PIL import Image

from quotes.modelfiles import read_model
from quotes.modelfiles.make import BRACKET, box, write_3mf
from quotes.modelfiles.make_project import demo_two_colour_3mf


def picture_of(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(read_model(data, file_name="a.3mf").thumbnail_png))


def test_a_picture_is_drawn_when_the_file_brings_none():
    image = picture_of(BRACKET.read_bytes())
    assert (image.format, image.size) == ("PNG", (480, 360))
    pixels = np.asarray(image.convert("RGB")).astype(int)
    corners = pixels[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert corners.min() > 215  # light ground up to the edges
    blue = (pixels[..., 2] - pixels[..., 0]) > 25
    # The part fills a fair share of the picture and stays clear of the border.
    assert 0.10 < blue.mean() < 0.60
    assert not blue[:15].any()
    assert not blue[-15:].any()


def test_the_three_visible_sides_of_a_cube_have_three_shades():
    pixels = np.asarray(picture_of(write_3mf([("Cube", *box(20, 20, 20))])).convert("RGB"))
    blue = pixels[(pixels[..., 2].astype(int) - pixels[..., 0]) > 25]
    shades, counts = np.unique(blue, axis=0, return_counts=True)
    assert (counts > 1500).sum() == 3
    assert len(shades) > 3  # smoothed edges


def test_a_project_is_pictured_in_the_colours_of_its_filaments():
    pixels = np.asarray(picture_of(demo_two_colour_3mf()).convert("RGB")).astype(int)
    green = (pixels[..., 1] - pixels[..., 0] > 60) & (pixels[..., 1] - pixels[..., 2] > 40)
    blue = (pixels[..., 2] - pixels[..., 0] > 25) & (pixels[..., 2] > pixels[..., 1])
    assert 0.02 < green.mean() < 0.2
    assert not blue.any()  # the colour of a part whose filament has none
