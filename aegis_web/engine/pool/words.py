"""How a process ended, in words for the person who reads the run."""

import signal

from aegis_web.language import _

SIGNALS = {
    signal.SIGSEGV: "it reached for memory that is not its own, as faulty native code does",
    signal.SIGBUS: "it reached for memory that is not there, as faulty native code does",
    signal.SIGABRT: "it gave itself up, as native code does when a check fails",
    signal.SIGILL: "it met an instruction that this machine does not know",
    signal.SIGFPE: "it computed what cannot be computed, in native code",
    signal.SIGKILL: "somebody killed it: the system, when memory runs out, or a person",
    signal.SIGXCPU: "it used up the processor time that the system allows it",
}


def died(code: int | None) -> str:
    """Why a run failed whose process ended with `code` (-9: SIGKILL; None: nobody knows)."""
    if code is None:
        return "Its process was lost together with the process that watched over it."
    if code >= 0:
        return f"Its process ended with exit code {code} before the function had returned."
    return f"Its process was ended by {signal_name(-code)}: {why(-code)}."


def killed(code: int | None) -> str:
    """What had to be done after a stop that was not answered."""
    if code is None or code >= 0:
        return "Its process ended when it was asked to stop."
    return f"It did not end when it was asked to; its process was ended by {signal_name(-code)}."


def signal_name(number: int) -> str:
    """SIGKILL, or "signal 42" where it has no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return _("signal %(number)s", number=number)


def why(number: int) -> str:
    """What such a signal usually means."""
    return SIGNALS.get(signal.Signals(number), "something sent it") if number < 32 else "unknown"
