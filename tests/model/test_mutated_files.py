"""Mutated UFO folders, parameter cards, SLHA files and model cards: a right result, or one line of a ZprimeError.

A result is right if it is a point with finite positive numbers and, where the mutation left the couplings alone, the old
one. Seeds are fixed; each failure names its seed.
"""

from __future__ import annotations

import random
import sys
import warnings
from math import isfinite
from pathlib import Path

import pytest

from zprime_recast.errors import ZprimeError
from zprime_recast.io.paths import shipped
from zprime_recast.model import ufo_folder
from zprime_recast.model.card import couplings_card, read_model_card
from zprime_recast.model.slha import read_slha
from zprime_recast.model.ufo import model_of, read_ufo
from zprime_recast.model.ufo_folder import read_folder
from zprime_recast.model.widths import decay_widths
from zprime_recast.model.zprime import anomaly_sums

sys.path.insert(0, str(Path(__file__).parent))
from small_ufo import write_ufo
from test_foreign_ufo import MIXED
from test_slha_points import SPECTRUM

WORDS = ["nan", "inf", "-1", "0", "1e999", "1D+03", "9" * 400, "scan:[1,2]", "Auto", "", "#", "BLOCK", "DECAY", "[[dark]]",
         "'", '"', "\x00", "(", "1/0", "\t", "--", "[", "é", "1e-320", "True", "00", "1_000", "0x10", "½", "\ufeff"]  # fmt: skip


def mutated(data: bytes, rng: random.Random) -> bytes:
    """One to three changes: cut, flipped bits, lines dropped, doubled or exchanged, words replaced."""
    for _ in range(rng.randint(1, 3)):
        kind = rng.randrange(7)
        if kind == 0:
            data = data[: rng.randrange(len(data) + 1)]
        elif kind == 1 and data:
            at = rng.randrange(len(data))
            data = data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
        else:
            lines = data.split(b"\n")
            at = rng.randrange(len(lines))
            if kind == 2:
                del lines[at]
            elif kind == 3:
                lines.insert(rng.randrange(len(lines)), lines[at])
            elif kind == 4:
                other = rng.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
            else:
                words = lines[at].split(b" ")
                words[rng.randrange(len(words))] = rng.choice(WORDS).encode()
                lines[at] = b" ".join(words)
            data = b"\n".join(lines)
    return data


def checked(action, seed, what):
    """What an action returns, None if it raises a ZprimeError of one line; anything else fails and names the seed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return action()
    except ZprimeError as err:
        message = str(err)
        assert message.strip(), (what, seed)
        assert len(" ".join(message.split())) < 3000, (what, seed, message)
    except Exception as err:
        raise AssertionError(f"{what}, seed {seed}: {type(err).__name__}: {err}") from err
    return None


def assert_finite(widths, seed):
    assert isfinite(float(widths.total_gev)), seed
    assert float(widths.total_gev) > 0, seed
    assert all(0 <= float(w) < float("inf") for w in widths.partial_gev.values()), seed


@pytest.mark.parametrize("name", [path.stem for path in sorted((shipped("data") / "models").glob("*.toml"))])
def test_model_cards(tmp_path, name):
    source, path, read = (shipped("data") / "models" / f"{name}.toml").read_bytes(), tmp_path / "m.toml", 0

    def action():
        model = read_model_card(path)
        text = str(model.largest_charge()), str(anomaly_sums(model) if model.fields else "")
        return (decay_widths(model, 2000.0, 0.1), text) if model.largest_charge() else None

    for seed in range(25):
        path.write_bytes(mutated(source, random.Random(f"{name} {seed}")))
        found = checked(action, seed, name)
        if found is not None:
            assert_finite(found[0], seed)
            read += 1
    assert read


def test_slha_files(tmp_path):
    path, read = tmp_path / "p.slha", 0
    path.write_text(SPECTRUM)
    charge = read_slha(path).model.couplings("e")
    for seed in range(500):
        data = mutated(SPECTRUM.encode(), random.Random(seed))
        path.write_bytes(data)
        found = checked(lambda: read_slha(path), seed, "slha")
        if found is None:
            continue
        read += 1
        assert found.mass_gev > 0, seed
        assert_finite(decay_widths(found.model, found.mass_gev, found.coupling), seed)
        if b"  11  -1.0\nBLOCK ZPRIMERIGHT" in data and data.count(b"-1.0") == 2 and not found.notes:
            assert found.model.couplings("e")[0] == charge[0], seed
        checked(lambda found=found: couplings_card(found.model), seed, "card of a point")
    assert 50 < read < 480


def test_parameter_cards(tmp_path, monkeypatch):
    """The reading of the card; the folder is run once, since its code does not change."""
    folder, card = write_ufo(tmp_path / "BL"), tmp_path / "param_card.dat"
    text = (MIXED + "DECAY 9900032 2.0\n 0.25 2 23 25\n").encode()
    answer = ufo_folder._run(folder, folder, {})
    monkeypatch.setattr(ufo_folder, "_run", lambda *_: answer)
    read = 0
    for seed in range(500):
        card.write_bytes(mutated(text, random.Random(seed)))
        read += checked(lambda: read_folder(folder, card), seed, "param card") is not None
    assert 50 < read < 480


def test_ufo_folders(tmp_path):
    folder = write_ufo(tmp_path / "BL")
    (folder / "restrict_default.dat").write_text(MIXED)
    original = {path.name: path.read_bytes() for path in folder.iterdir()}
    names, read = sorted(original), 0

    def action():
        boson = read_ufo(folder, "Zp")
        return boson, model_of(boson, "m", "test")

    for seed in range(11):
        rng = random.Random(seed)
        name = names[seed % len(names)]
        (folder / name).write_bytes(mutated(original[name], rng))
        found = checked(action, seed, name)
        (folder / name).write_bytes(original[name])
        if found is not None and found[0].mass_gev > 0:
            read += 1
            assert_finite(decay_widths(found[1], found[0].mass_gev, 1.0), seed)
            assert all(d.width_gev is None or d.width_gev >= 0 for d in found[0].left_out), seed
    assert read
