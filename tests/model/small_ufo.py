"""A small UFO folder of our own: gauged B-L with a Z', Majorana neutrinos (light and heavy), W, Z, h and a photon.

Written from the definition of the format (arXiv:1108.2040), for Python 3 or in the style of the folders of Python 2.
"""

from __future__ import annotations

OBJECTS = """
import cmath
class UFOError(Exception): pass
class Base(object):
    require_args = ['name']
    def __init__(self, *args, **options):
        if len(args) > len(self.require_args):
            raise UFOError("too many arguments")
        for name, value in zip(self.require_args, args):
            setattr(self, name, value)
        for name, value in options.items():
            setattr(self, name, value)
        self.collect.append(self)
all_particles = []
class Particle(Base):
    collect = all_particles
    def anti(self):
        new = dict(self.__dict__)
        new.update(pdg_code=-self.pdg_code, name=self.antiname, antiname=self.name, charge=-self.charge)
        return Particle(**new)
all_parameters = []
class Parameter(Base):
    collect = all_parameters
all_vertices = []
class Vertex(Base):
    collect = all_vertices
all_couplings = []
class Coupling(Base):
    collect = all_couplings
all_lorentz = []
class Lorentz(Base):
    collect = all_lorentz
all_decays = []
class Decay(Base):
    collect = all_decays
"""

#: Beginning of the objects as the folders of Python 2 have it.
PYTHON2 = """# -*- coding: latin-1 -*-
# \xe9crit pour Python 2
import six
if False:
\tprint 'never', 1
        raise UFOError, "tabs and blanks"
for key, value in {'a': 1}.iteritems():
    assert not {}.has_key(key)
    try:
        unicode(key), xrange(3), 0777 <> 1L
    except (ValueError, TypeError), error:
        raise UFOError, "no %s" % `error`
"""

INIT = """
import particles, parameters, vertices, couplings, lorentz
all_particles = particles.all_particles
all_vertices = vertices.all_vertices
all_couplings = couplings.all_couplings
all_lorentz = lorentz.all_lorentz
all_parameters = parameters.all_parameters
all_functions = []
try:
    import decays
except ImportError:
    pass
else:
    all_decays = decays.all_decays
"""

LORENTZ = """
from object_library import all_lorentz, Lorentz
V = Lorentz(name='V', spins=[2, 2, 3], structure='Gamma(3,2,1)')
L = Lorentz(name='L', spins=[2, 2, 3], structure='Gamma(3,2,-1)*ProjM(-1,1)')
R = Lorentz(name='R', spins=[2, 2, 3], structure='Gamma(3,2,-1)*ProjP(-1,1)')
A = Lorentz(name='A', spins=[2, 2, 3], structure='Gamma(3,2,-1)*Gamma5(-1,1)')
VVS = Lorentz(name='VVS', spins=[3, 3, 1], structure='Metric(1,2)')
"""

PARAMETERS = [
    # name, block, code, default
    ("gz", "BLINPUTS", 1, 0.2),
    ("mix", "BLINPUTS", 2, 0.0),
    ("MZ", "MASS", 23, 91.1876),
    ("MH", "MASS", 25, 125.0),
    ("MZp", "MASS", 9900032, 1500.0),
    ("MN", "MASS", 9910012, 300.0),
    ("MT", "MASS", 6, 172.5),
    ("MB", "MASS", 5, 4.7),
    ("WZp", "DECAY", 9900032, 1.0),
]
INTERNAL = [
    ("ee", "cmath.sqrt(4*cmath.pi/127.9)"),
    ("gzh", "gz*mix*MZ"),
    ("c", "cmath.cos(mix)"),
    ("s", "cmath.sin(mix)"),
]

QUARKS = [("d", 1), ("u", 2), ("s", 3), ("c", 4), ("b", 5), ("t", 6)]
LEPTONS = [("e", 11), ("mu", 13), ("tau", 15)]


def write_ufo(folder, *, python2=False, decays=True, replaced=()):
    """Write the folder; ``replaced`` are (file, old, new) that change its text."""
    files = {"object_library.py": OBJECTS, "__init__.py": INIT, "lorentz.py": LORENTZ}
    particles, vertices = ["import parameters as Param", "from object_library import all_particles, Particle"], []

    def particle(variable, pdg, name, anti, spin, color, mass, charge):
        particles.append(
            f"{variable} = Particle(pdg_code={pdg}, name='{name}', antiname='{anti}', spin={spin}, color={color},"
            f" mass=Param.{mass}, width=Param.{'WZp' if mass == 'MZp' else 'ZERO'}, texname='', antitexname='', charge={charge}, GhostNumber=0)"
        )
        if name != anti:
            particles.append(f"{variable}_bar = {variable}.anti()")

    couplings = ["from object_library import all_couplings, Coupling"]

    def vertex(particles_of, terms):
        number = len(vertices)
        entries = []
        for j, (_, value) in enumerate(terms):
            couplings.append(f"GC_{number}_{j} = Coupling(name='GC_{number}_{j}', value='{value}', order={{'QED': 1}})")
            entries.append(f"(0,{j}): C.GC_{number}_{j}")
        vertices.append(
            f"V_{number} = Vertex(name='V_{number}', particles=[{', '.join('P.' + p for p in particles_of)}], color=['1'],"
            f" lorentz=[{', '.join('L.' + name for name, _ in terms)}], couplings={{{', '.join(entries)}}})"
        )

    widths = {}
    for name, pdg in QUARKS:
        mass = {"t": "MT", "b": "MB"}.get(name, "ZERO")
        particle(name, pdg, name, f"{name}~", 2, 3, mass, "2./3." if pdg % 2 == 0 else "-1./3.")
        charge = "2./3." if pdg % 2 == 0 else "-1./3."
        vertex([f"{name}_bar", name, "a"], [("V", f"complex(0,1)*ee*({charge})")])
        vertex([f"{name}_bar", name, "Zp"], [("V", "complex(0,1)*gz/3.")])
        widths[f"(P.{name}, P.{name}_bar)"] = (
            f"3*(gz/3.)**2*(MZp**2 + 2*{mass}**2)*cmath.sqrt(1 - 4*{mass}**2/MZp**2)/(12.*cmath.pi*MZp)"
        )
    for name, pdg in LEPTONS:
        particle(name, pdg, f"{name}-", f"{name}+", 2, 1, "ZERO", -1)
        vertex([f"{name}_bar", name, "a"], [("V", "-complex(0,1)*ee")])
        vertex([f"{name}_bar", name, "Zp"], [("L", "-complex(0,1)*gz"), ("R", "-complex(0,1)*gz")])
        widths[f"(P.{name}, P.{name}_bar)"] = "gz**2*MZp/(12.*cmath.pi)"
    for k, pdg in ((1, 12), (2, 14), (3, 16)):
        particle(f"n{k}", pdg, f"n{k}", f"n{k}", 2, 1, "ZERO", 0)
        particle(f"N{k}", 9910000 + pdg, f"N{k}", f"N{k}", 2, 1, "MN", 0)
        # light: B-L charge -1, left-handed, mixed with the anti-neutrino of the heavy one: cos(2 mix) of the axial current
        vertex([f"n{k}", f"n{k}", "Zp"], [("A", "complex(0,1)*gz*(c**2 - s**2)")])
        vertex(
            [f"N{k}", f"N{k}", "Zp"], [("L", "complex(0,1)*gz*(c**2 - s**2)"), ("R", "-complex(0,1)*gz*(c**2 - s**2)")]
        )
        vertex([f"n{k}", f"N{k}", "Zp"], [("A", "complex(0,1)*gz*2*s*c")])
        widths[f"(P.n{k}, P.n{k})"] = "gz**2*(c**2 - s**2)**2*MZp/(24.*cmath.pi)"
        widths[f"(P.N{k}, P.N{k})"] = "gz**2*(c**2 - s**2)**2*MZp*cmath.sqrt(1 - 4*MN**2/MZp**2)**3/(24.*cmath.pi)"
    particle("a", 22, "a", "a", 3, 1, "ZERO", 0)
    particle("Z", 23, "Z", "Z", 3, 1, "MZ", 0)
    particle("Zp", 9900032, "Zp", "Zp", 3, 1, "MZp", 0)
    particle("H", 25, "H", "H", 1, 1, "MH", 0)
    vertex(["Zp", "Z", "H"], [("VVS", "complex(0,1)*gzh")])
    # Gamma = (g m_Z)^2 p/(24 pi M^2) (2 + (M^2 + m_Z^2 - m_h^2)^2/(4 M^2 m_Z^2)) of a coupling g m_Z
    widths["(P.Z, P.H)"] = (
        "gzh**2/(24.*cmath.pi*MZp**2)*(2 + (MZp**2 + MZ**2 - MH**2)**2/(4*MZp**2*MZ**2))"
        "*cmath.sqrt((MZp**2 - (MZ + MH)**2)*(MZp**2 - (MZ - MH)**2))/(2*MZp)"
    )
    parameters = ["from object_library import all_parameters, Parameter"]
    parameters.append("ZERO = Parameter(name='ZERO', nature='internal', type='real', value='0.0', texname='0')")
    for name, block, code, value in PARAMETERS:
        parameters.append(
            f"{name} = Parameter(name='{name}', nature='external', type='real', value={value}, texname='', lhablock='{block}', lhacode=[{code}])"
        )
    for name, value in INTERNAL:
        parameters.append(
            f"{name} = Parameter(name='{name}', nature='internal', type='real', value='{value}', texname='')"
        )
    files["particles.py"] = "\n".join(particles)
    files["parameters.py"] = "\n".join(parameters)
    files["couplings.py"] = "\n".join(couplings)
    files["vertices.py"] = "\n".join(
        [
            "import particles as P, couplings as C, lorentz as L",
            "from object_library import all_vertices, Vertex",
            *vertices,
        ]
    )
    if decays:
        table = ", ".join(f"{products}: '{width}'" for products, width in widths.items())
        files["decays.py"] = (
            "import particles as P\nfrom object_library import all_decays, Decay\n"
            f"Decay_Zp = Decay(name='Decay_Zp', particle=P.Zp, partial_widths={{{table}}})"
        )
    for file, old, new in replaced:
        assert old in files[file], (file, old)
        files[file] = files[file].replace(old, new)
    if python2:
        files["object_library.py"] = PYTHON2 + OBJECTS.replace(
            'raise UFOError("too many arguments")', 'raise UFOError, "too many arguments"'
        ).replace(".items()", ".iteritems()")
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_bytes((text + "\n").encode("latin-1"))
    return folder
