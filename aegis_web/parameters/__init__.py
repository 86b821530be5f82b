"""The parameters of service functions: their kinds, their form controls, their values.

The kinds come from the annotations of a signature (`kinds`, `signature`), `arguments` checks,
seals, opens and masks values, `controls` and `form` are the two directions of a web form.
"""

from aegis_web.parameters.arguments import PREFIX, Arguments, OpenedArguments
from aegis_web.parameters.controls import Choice, Control, Typed
from aegis_web.parameters.form import read_form
from aegis_web.parameters.kinds import Kind, MultiLine, Parameter, Unsuited
from aegis_web.parameters.signature import read_signature
from aegis_web.parameters.values import MASK, is_sealed, mask_sealed

__all__ = [
    "MASK",
    "PREFIX",
    "Arguments",
    "Choice",
    "Control",
    "Kind",
    "MultiLine",
    "OpenedArguments",
    "Parameter",
    "Typed",
    "Unsuited",
    "is_sealed",
    "mask_sealed",
    "read_form",
    "read_signature",
]
