"""A model card that is changed entry by entry, and checked as a whole each time, as if read from a file."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import InputError, UnknownName
from ..io.cards import Section, parse_toml, read_toml
from ..model.card import list_models, load_model, model_of_card
from ..model.zprime import ZprimeModel

_U1_MULTIPLETS = ("q_left", "u_right", "d_right", "l_left", "e_right")
EDITED = "_edited"


@dataclass(frozen=True)
class ModelCard:
    """The content of a card and the model it makes; the content is valid."""

    values: Mapping[str, Any]
    """As TOML has it."""
    name: str
    """What a command takes as MODEL: an id, or the name of a file."""

    @cached_property
    def model(self) -> ZprimeModel:
        """The model, its parameters at the defaults of the card."""
        section = Section(Path(self.name), copy.deepcopy(dict(self.values)))
        section.integer("schema")
        return model_of_card(section)

    @property
    def edited(self) -> bool:
        """Whether this is no longer what was loaded."""
        return str(self.values["id"]).endswith(EDITED)

    def charges(self) -> dict[str, str]:
        """Charges by path (``charges.q_left``, ``dark.chi.q_right``), as written."""
        found = {}
        tables = ["charges", *(f"charges_generation_{g}" for g in (1, 2, 3))]
        for table in tables:
            keys = list(self.values.get(table, {}))
            if table == "charges" and self.values["kind"] == "u1":
                keys += [key for key in _U1_MULTIPLETS if key not in keys]
            found.update({f"{table}.{key}": str(self.values[table].get(key, 0)) for key in keys})
        for dark in self.values.get("dark", ()):
            keys = [key for key in ("q_left", "q_right") if key in dark]
            found.update({f"dark.{dark['name']}.{key}": str(dark[key]) for key in keys})
        return found

    def with_charge(self, path: str, text: str) -> ModelCard:
        """A copy with a charge changed; CardError if the card is not valid then."""
        if path not in self.charges():
            raise UnknownName("charge", path, self.charges())
        values = copy.deepcopy(dict(self.values))
        table, *names = path.split(".")
        if table == "dark":
            section = next(dark for dark in values["dark"] if dark["name"] == ".".join(names[:-1]))
        else:
            section = values[table]
        section[names[-1]] = text.strip()
        return self._changed(values)

    def with_text(self, text: str) -> ModelCard:
        """The card of a TOML text; CardError if it is none."""
        return self._changed(dict(parse_toml(Path("the card"), text).values))

    def _changed(self, values: dict[str, Any]) -> ModelCard:
        if isinstance(values.get("id"), str) and not values["id"].endswith(EDITED):
            values["id"] += EDITED
        changed = ModelCard(values, "the card")
        name = f"{changed.model.id}.toml"  # checks it all
        if Path(name).name != name:
            raise InputError(f"id {changed.model.id!r} of the card must do as the name of a file")
        return ModelCard(values, name)

    def text(self, comments: tuple[str, ...] = ()) -> str:
        """The card as TOML."""
        import tomli_w

        return "".join(f"# {line}\n" for line in comments) + tomli_w.dumps(dict(self.values))


def load_card(model: str) -> ModelCard:
    """The card of a model id, or of a file ending in ``.toml``; UnknownName or CardError if there is none."""
    load_model(model)
    path = Path(model) if Path(model).suffix == ".toml" else list_models()[model]
    return ModelCard(read_toml(path).values, model)
