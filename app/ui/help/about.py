"""What the program is and who takes part, as a page."""

from __future__ import annotations

import importlib.metadata
from html import escape

from PySide6.QtCore import qVersion

import vssm
from vssm.models import registry

ABOUT = """<h3>VSSM Sketchpad {}</h3>
<p>torch {} · Qt {} · {}</p>
<p>Sketch part of a picture; models complete it while you watch:</p><ul>{}</ul>
<p>After Lambrechts, Claes, Geurts and Ernst, <i>Parallelizing Autoregressive Generation with Variational State Space
Models</i>, <a href="https://arxiv.org/abs/2407.08415">arXiv 2407.08415</a>, and Guo and Ermon, <i>Reviving Any-Subset
Autoregressive Models with Principled Parallel Sampling and Speculative Decoding</i>,
<a href="https://arxiv.org/abs/2504.20456">arXiv 2504.20456</a>. Licence: MIT. The font Inter, used where a machine
has none, is under the SIL Open Font Licence.</p>"""


def page(device: str) -> str:
    """The page as HTML. device: that models compute on, in words."""
    rows = (f"<li><b>{preset.title}</b>: {preset.about}</li>" for preset in registry.PRESETS.values())
    versions = vssm.__version__, importlib.metadata.version("torch"), qVersion(), escape(device)
    return ABOUT.format(*versions, "".join(rows))
