"""Recipes are read by the command line, and the published ones describe the published networks."""

from dataclasses import replace
from pathlib import Path

import pytest

import tiny
import wsfcn
from wsfcn.config import ModelSettings, TrainSettings, from_dict
from wsfcn.published import AE, WSFCN
from wsfcn.recipe import read_recipe
from wsfcn.training.run import train

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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "backbone"),
    [
        ("efficientnet-lite2", None),
        ("pvt-v2-b1", None),
        ("dinov2-small", None),
        ("dinov2-small", "vit_small_patch16_dinov3"),
    ],
)
def test_a_recipe_for_another_backbone_trains_and_predicts(name, backbone, tmp_path):
    """From random weights, as others cannot be had everywhere; crops are small, to be quick."""
    recipe = from_dict(TrainSettings, read_recipe(RECIPES[0].with_name(f"{name}.yaml")))
    small = tiny.settings(tiny.scenes(tmp_path / "scenes", 1), tmp_path / "run")
    model = replace(recipe.model, weights="none", backbone=backbone or recipe.model.backbone)
    optim = replace(recipe.optim, epochs=2, batch=tiny.BATCH)
    data = replace(recipe.data, root=small.data.root, crop=tiny.SIZE)
    run = train(replace(recipe, data=data, model=model, optim=optim, run=small.run))
    picture = next((tmp_path / "scenes" / "images").iterdir())
    assert wsfcn.load(run).predict(picture).mask.shape == (tiny.SIZE, tiny.SIZE)
