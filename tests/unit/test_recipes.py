"""Recipes are read by the command line, and the published ones describe the published networks."""

from dataclasses import replace
from pathlib import Path

import pytest

from wsfcn.config import ModelSettings, TrainSettings, from_dict
from wsfcn.published import AE, WSFCN
from wsfcn.recipe import read_recipe

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_holds_known_settings_and_says_what_to_expect(path):
    settings = from_dict(TrainSettings, read_recipe(path))
    assert settings.run.out == Path("runs") / path.stem
    header = path.read_text().split("\nseed:")[0]
    for word in ("wsfcn train --config", "Cost", "xpected"):
        assert word in header


@pytest.mark.parametrize(
    ("name", "network", "floor"),
    [("voc12-wsfcn", WSFCN, 0.01), ("voc12-ae", AE, 0.01), ("coco14-wsfcn", WSFCN, 0.1)],
)
def test_published_recipes_train_the_published_networks(name, network, floor):
    recipe = next(path for path in RECIPES if path.stem == name)
    model: ModelSettings = from_dict(TrainSettings, read_recipe(recipe)).model
    assert replace(model, weights="none") == replace(network, focal_floor=floor)
