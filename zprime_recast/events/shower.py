"""Initial- and final-state radiation of events by Pythia 8, in memory (extra ``[shower]``: pythia8mc).

Pythia takes the events as a Les Houches process and returns dressed leptons: the leptons of the decay after radiation,
with the photons within DRESSING_R of them. Sjostrand et al., Comput. Phys. Commun. 191 (2015) 159.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import FloatArray
from ..errors import InputError, ZprimeError
from ..io.extras import needed
from ..model.standard_model import standard_model
from .kinematics import DEFAULT_SQRT_S_GEV, DRESSING_R, PDG_ID, PHOTON_ID, hard_process, select_leptons
from .records import DileptonEvents, from_momenta


def shower_events(
    events: DileptonEvents,
    seed: int = 1,
    isr: bool = True,
    fsr: bool = True,
    hadronise: bool = False,
    settings: tuple[str, ...] = (),
) -> DileptonEvents:
    """Shower events with Pythia.

    Weights are kept; events for which Pythia fails are left out and counted in ``info["shower"]``, with the settings.
    InputError without pythia8mc.

    Arguments:
        events: events with their incoming partons.
        seed: seed of Pythia, from 1 to 899999999.
        isr: whether the incoming partons radiate (QCD and QED).
        fsr: whether the leptons radiate.
        hadronise: whether hadrons and multiple interactions are simulated.
        settings: further settings of Pythia.
    """
    pythia = _pythia(events, seed, isr, fsr, hadronise, settings)
    source = _source(events)
    if not pythia.setLHAupPtr(source) or not pythia.init():
        raise ZprimeError("Pythia cannot be started with these events; see its messages")
    parts, index = [], []
    failed = 0
    for i in range(len(events)):
        if not pythia.next():
            failed += 1
            continue
        parts.append(_final(pythia.event))
        index.append(i)
    if not parts:
        raise ZprimeError("Pythia failed for every event; see its messages")
    table = np.concatenate(parts)
    number = np.repeat(np.arange(len(parts)), [len(p) for p in parts])
    ids = table[:, 0].astype(np.int64)
    every = np.ones(len(table), dtype=bool)
    good, flavor, lminus, lplus = select_leptons(number, ids, every, table[:, 1:], len(parts))
    kept = events[np.array(index)[good]]
    info = {
        **events.info,
        "shower": {
            "program": f"Pythia {pythia.parm('Pythia:versionNumber'):.3f}",
            "seed": seed,
            "isr": isr,
            "fsr": fsr,
            "hadronise": hadronise,
            "settings": list(settings),
            "dressing_r": DRESSING_R,
            "events_lost": len(events) - len(kept),
            "events_failed": failed,
        },
    }
    partons = np.stack([kept["id1"], kept["id2"]], axis=1), np.stack([kept["x1"], kept["x2"]], axis=1)
    flavors = flavor if "lepton_id" in events.columns else None
    return from_momenta(lminus, lplus, kept["weight"], info, *partons, kept["scale"], flavors)


def _final(event: Any) -> FloatArray:
    """Final leptons and photons that do not come from hadrons: id, px, py, pz, E per row."""
    rows = [
        (p.id(), p.px(), p.py(), p.pz(), p.e())
        for p in event
        if p.isFinal() and p.idAbs() in (*PDG_ID.values(), PHOTON_ID) and p.status() < 80
    ]
    return np.array(rows, dtype=float).reshape(-1, 5)


def _pythia(events: DileptonEvents, seed: int, isr: bool, fsr: bool, hadronise: bool, settings: tuple[str, ...]) -> Any:
    pythia8mc = needed("pythia8mc", "shower", "a shower")
    if not 0 < seed < 900_000_000:
        raise InputError(f"the seed of Pythia must be from 1 to 899999999, found {seed}")
    if len(events) == 0 or not events["id1"].all():
        raise InputError("a shower needs events with their incoming partons (generated, or from an LHE file)")

    def switch(on: bool) -> str:
        return "on" if on else "off"

    pythia = pythia8mc.Pythia("", False)
    lines = [
        "Print:quiet = on",
        "Beams:frameType = 5",
        "Random:setSeed = on",
        f"Random:seed = {seed}",
        f"PartonLevel:ISR = {switch(isr)}",
        f"PartonLevel:FSR = {switch(fsr)}",
        f"PartonLevel:MPI = {switch(hadronise)}",
        f"HadronLevel:all = {switch(hadronise)}",
        "15:mayDecay = off",  # taus are kept undecayed, as in the sample
        *settings,
    ]
    for line in lines:
        if not pythia.readString(line):
            raise InputError(f"Pythia does not know the setting '{line}'")
    return pythia


def _source(events: DileptonEvents) -> Any:
    """A source from which Pythia reads the events one by one."""
    import pythia8mc

    hard, sm = hard_process(events), standard_model()
    rows = [p.tolist() for p in (hard.first, hard.second, hard.boson, hard.lminus, hard.lplus)]
    id1, id2, scale = (events[name].tolist() for name in ("id1", "id2", "scale"))
    lepton = hard.lepton_id.tolist()
    x1, x2, mass = (events[name].tolist() for name in ("x1", "x2", "m_ll"))
    beam = 0.5 * float(events.info.get("sqrt_s_gev", DEFAULT_SQRT_S_GEV))
    sigma_pb = 1e-3 * abs(float(events.info.get("cross_section_fb") or events.cross_section_fb))

    class Source(pythia8mc.LHAup):  # type: ignore[misc]
        """One process; the weights are not handed to Pythia."""

        position = 0

        def setInit(self) -> bool:
            """Beams and process."""
            self.setBeamA(2212, beam)
            self.setBeamB(2212, beam)
            self.setStrategy(3)
            self.addProcess(1, sigma_pb, 0.0, 1.0)
            return True

        def setEvent(self, process: int = 0) -> bool:
            """The next event; False at the end."""
            i = self.position
            if i >= len(id1):
                return False
            self.position += 1
            self.setProcess(1, 1.0, scale[i], sm.alpha_em, sm.alpha_s)
            first, second, pair, lminus, lplus = (row[i] for row in rows)
            colors = (501, 0) if id1[i] > 0 else (0, 501)
            self.addParticle(id1[i], -1, 0, 0, *colors, *first, 0.0)
            self.addParticle(id2[i], -1, 0, 0, *colors[::-1], *second, 0.0)
            self.addParticle(hard.boson_id, 2, 1, 2, 0, 0, *pair, mass[i])
            self.addParticle(lepton[i], 1, 3, 3, 0, 0, *lminus, 0.0)
            self.addParticle(-lepton[i], 1, 3, 3, 0, 0, *lplus, 0.0)
            self.setPdf(id1[i], id2[i], x1[i], x2[i], scale[i], 0.0, 0.0, False)
            return True

    return Source()
