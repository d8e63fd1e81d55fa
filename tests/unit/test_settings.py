"""Settings are checked in one place, whatever door they came through."""

import math
import re
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from wsfcn import recipe
from wsfcn.config import (
    CrfSettings,
    DataSettings,
    ModelSettings,
    OptimSettings,
    PredictSettings,
    PseudoSettings,
    RunSettings,
    TrainSettings,
    from_dict,
    to_dict,
)
from wsfcn.errors import SettingError
from wsfcn.recipe import read_recipe

GROUPS = [DataSettings, ModelSettings, PseudoSettings, OptimSettings, RunSettings]
GROUPS += [TrainSettings, CrfSettings, PredictSettings]
FIELDS = [(kind, item.name) for kind in GROUPS for item in fields(kind)]


@pytest.mark.parametrize(("kind", "name"), FIELDS, ids=lambda part: getattr(part, "__name__", part))
def test_a_value_works_or_is_refused_by_name(kind, name):
    refusal = rf"({kind.group}{name.replace('_', '-')}: |{name}: )[^\n]*$"
    for value in (object(), [[]], -1, math.nan, math.inf, "", "\0", None):
        with refused_at_most(refusal):
            found = getattr(kind(**{name: value}), name)
            assert not isinstance(value, int | float) or isinstance(found, str | Path)


@contextmanager
def refused_at_most(pattern: str):
    try:
        yield
    except SettingError as error:
        assert re.match(pattern, str(error)), error  # noqa: PT017 (a value may also work)


@pytest.mark.parametrize("kind", GROUPS)
def test_defaults_obey_and_come_back_from_their_plain_form(kind):
    assert from_dict(kind, to_dict(kind())) == kind()


def test_what_means_the_same_is_taken():
    assert DataSettings(root="pets").root == Path("pets")
    assert RunSettings(out="x", precision=32) == RunSettings(out=Path("x"), precision="32")
    assert OptimSettings(rate="1e-3", multipliers=[1, 1, 2, 2]).multipliers == (1.0, 1.0, 2.0, 2.0)
    assert OptimSettings(rate=np.float64(0.5), epochs=np.int64(3)).epochs == 3
    assert TrainSettings(optim={"epochs": 3}).optim.epochs == 3


def test_a_wrong_word_gets_a_suggestion():
    with pytest.raises(SettingError, match=r"one of sgd, adamw; got 'adam'\. Did you mean 'adamw'"):
        OptimSettings(optimizer="adam")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("optim: 5", "optim: a group of settings"),
        ("1: 2", "a setting's name is a word, not 1"),
        ("optim: {1: 2}", "optim has no setting 1"),
        ("optim: {epoch: 2}", "optim has no setting 'epoch'. Did you mean 'epochs'?"),
        ("optim: {rate: null}", "optim.rate: a number, at least 0; got nothing"),
        ("optim: {rate: .inf}", "optim.rate: a number"),
        ("data: {broken: -1}", "data.broken: a whole number, at least 0"),
        ("model: {kernels: [0, 1, 1, 1]}", "model.kernels: whole numbers, each at least 1"),
        ("optim: &a {rate: *a}", "alias that holds itself"),
        ("optim: {epochs: 1}\noptim: {epochs: 2}", "line 2: not YAML ('optim' stands there twice)"),
        ("a: &a {b: 1}\nc: {<<: *a}", "`<<` is not understood"),
        ("!!python/object/apply:os.system [true]", "not YAML"),
        ("day: 2020-99-99", "not YAML"),
        ("[" * 3000, "not YAML"),
        ("- 1", "a recipe is a mapping"),
        ("a" * (recipe.BYTES + 1), "are the most that is read"),
        (b"\xff\xfe\x00", "not UTF-8"),
    ],
)
def test_a_recipe_that_cannot_work_is_one_line_with_its_name(tmp_path, text, message):
    path = tmp_path / "recipe.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingError) as caught:
        read_recipe(path)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_aliases_cannot_make_a_small_recipe_large(tmp_path):
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    (tmp_path / "recipe.yaml").write_text("\n".join(lines))
    with pytest.raises(SettingError, match="larger than a recipe can be"):
        read_recipe(tmp_path / "recipe.yaml")


def test_a_heading_without_settings_is_fine(tmp_path):
    (tmp_path / "recipe.yaml").write_text("seed: 3\noptim:\n  # rate: 1e-3\n")
    assert from_dict(TrainSettings, read_recipe(tmp_path / "recipe.yaml")).seed == 3
