"""Colours of the graphs: tcptrace's on a dark ground; on a light one the same, deep enough to be seen."""

_LIGHT = {
    "paper": "#ffffff",
    "ink": "#1f2328",
    "faint": "#59636e",
    "grid": "#e4e8ec",
    "frame": "#9aa4ae",
    "data": "#30363d",
    "red": "#d1242f",
    "green": "#1a7f37",
    "yellow": "#c69026",
    "purple": "#8250df",
    "blue": "#0969da",
    "orange": "#bc4c00",
    "magenta": "#bf3989",
    "slow": "#ddf4ff",
    "avoidance": "#eaf7ec",
    "recovery": "#fff1c9",
    "loss": "#ffdcd9",
    "flight": "#d5dbe1",
}
_DARK = {
    "paper": "#0d1117",
    "ink": "#e6edf3",
    "faint": "#9198a1",
    "grid": "#21262d",
    "frame": "#484f58",
    "data": "#e6edf3",
    "red": "#ff6a63",
    "green": "#3fb950",
    "yellow": "#e3c341",
    "purple": "#c297ff",
    "blue": "#58a6ff",
    "orange": "#f0883e",
    "magenta": "#f778ba",
    "slow": "#0f2a47",
    "avoidance": "#10281a",
    "recovery": "#3a2d0a",
    "loss": "#481a1d",
    "flight": "#30363d",
}

_RULES = """\
.tsg text{font:12px "Segoe UI","DejaVu Sans",Helvetica,Arial,sans-serif;fill:{ink}}
.tsg .title{font-size:17px;font-weight:600}.tsg .subtitle,.tsg .key{fill:{faint}}
.tsg .heading{font-size:13px;font-weight:600}.tsg .key{font-size:11.5px}
.tsg .value{text-anchor:end;font-size:11px;fill:{faint}}.tsg .time{text-anchor:middle;font-size:11px;fill:{faint}}
.tsg .note{font-size:11px;font-style:italic;fill:{yellow};paint-order:stroke;stroke:{paper};stroke-width:4px}
.tsg .ground,.tsg .paper{fill:{paper}}.tsg .frame{fill:none;stroke:{frame}}
.tsg .grid{stroke:{grid};fill:none}.tsg .tick{stroke:{frame}}
.tsg .bar,.tsg .glyph,.tsg .line,.tsg .dots{fill:none;stroke-width:1.4}
.tsg .bar{stroke-linecap:square}.tsg .dots{stroke-width:3.2;stroke-linecap:round}
.tsg .glyph{stroke-linecap:round;stroke-linejoin:round;stroke-width:1.3}
.tsg .data{stroke:{data}}.tsg .red{stroke:{red}}.tsg .green{stroke:{green}}.tsg .yellow{stroke:{yellow}}
.tsg .purple{stroke:{purple}}.tsg .blue{stroke:{blue}}.tsg .orange{stroke:{orange}}.tsg .magenta{stroke:{magenta}}
.tsg .ink{stroke:{ink}}.tsg .bold{stroke-width:2.4}.tsg .thin{stroke-width:1}
.tsg .pale{stroke-opacity:.55;stroke-width:1}
.tsg .stretch path{vector-effect:non-scaling-stroke}.tsg .dashed{stroke-dasharray:5 4}
.tsg .flight{fill:{flight};stroke:none}
.tsg .shade-blue{fill:{blue};fill-opacity:.22;stroke:none}.tsg .shade-orange{fill:{orange};fill-opacity:.2;stroke:none}
.tsg .slow-start{fill:{slow}}.tsg .congestion-avoidance{fill:{avoidance}}
.tsg .recovery{fill:{recovery}}.tsg .loss{fill:{loss}}"""


def _rules(colors: dict[str, str]) -> str:
    rules = _RULES
    for name, color in colors.items():
        rules = rules.replace("{" + name + "}", color)
    return rules


def style() -> str:
    """The style sheet; every rule is for what is inside of the class ``tsg``."""
    return f"{_rules(_LIGHT)}\n@media (prefers-color-scheme:dark){{\n{_rules(_DARK)}\n}}"
