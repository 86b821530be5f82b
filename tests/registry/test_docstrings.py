"""What a docstring says on screens: the title and the help of a service function."""

from aegis_web.registry import discover
from tests.registry.conftest import WriteModule


def test_title_comes_from_the_docstring_or_the_name(write_module: WriteModule) -> None:
    write_module(
        "titles",
        '''
        def with_words():
            """Send <b>all</b> the
            letters."""
        def without_words(): ...
        ''',
    )
    functions = discover(["titles"]).functions
    assert functions["titles.with_words"].title == "Send <b>all</b> the letters"
    assert functions["titles.without_words"].title == "Without words"


def test_help_flows_where_its_source_breaks_lines_and_keeps_lists(
    write_module: WriteModule,
) -> None:
    write_module(
        "prose",
        '''
        def tell():
            """Tell.

            It begins here and
            goes on here.

            Another paragraph:
            - one thing
            - and another
                as it stands
            then the end.
            """
        ''',
    )
    [tell] = discover(["prose"]).functions.values()
    assert tell.help == (
        "It begins here and goes on here.\n\nAnother paragraph:\n- one thing\n- and another\n"
        "    as it stands\nthen the end."
    )
