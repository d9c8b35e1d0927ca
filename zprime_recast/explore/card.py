"""Edit a model card entry by entry; each change checks the whole card, as if it were read from a file."""

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
#: Suffix of the id of a changed card.
EDITED = "_edited"


@dataclass(frozen=True)
class ModelCard:
    """The valid content of a card, and the model that it describes."""

    values: Mapping[str, Any]
    """Entries of the card, in the types of TOML."""
    name: str
    """MODEL argument for the commands: an id, or the name of a file."""

    @cached_property
    def model(self) -> ZprimeModel:
        """The model with its parameters at the defaults of the card."""
        section = Section(Path(self.name), copy.deepcopy(dict(self.values)))
        section.integer("schema")
        return model_of_card(section)

    @property
    def edited(self) -> bool:
        """Whether the card differs from the one that was loaded."""
        return str(self.values["id"]).endswith(EDITED)

    def charges(self) -> dict[str, str]:
        """Charges as written in the card, by path (``charges.q_left``, ``dark.chi.q_right``)."""
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
        """A copy with one charge changed. UnknownName for an unknown path, CardError if the card becomes invalid."""
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
        """The card read from a TOML text; CardError if the text is not a valid card."""
        return self._changed(dict(parse_toml(Path("the card"), text).values))

    def _changed(self, values: dict[str, Any]) -> ModelCard:
        if isinstance(values.get("id"), str) and not values["id"].endswith(EDITED):
            values["id"] += EDITED
        changed = ModelCard(values, "the card")
        name = f"{changed.model.id}.toml"  # making the model checks the whole card
        if Path(name).name != name:
            raise InputError(
                f"id {changed.model.id!r} of the card cannot be the name of a file; remove slashes from it"
            )
        return ModelCard(values, name)

    def text(self, comments: tuple[str, ...] = ()) -> str:
        """The card as TOML text, with comment lines first."""
        import tomli_w

        return "".join(f"# {line}\n" for line in comments) + tomli_w.dumps(dict(self.values))


def load_card(model: str) -> ModelCard:
    """Load the card of a model id, or a file ending in ``.toml``; UnknownName or CardError if that fails."""
    load_model(model)
    path = Path(model) if Path(model).suffix == ".toml" else list_models()[model]
    return ModelCard(read_toml(path).values, model)
