"""The commands and their options. What they do is in the other modules, imported when a command runs."""

# ruff: noqa: FBT001, FBT002 - typer makes options of these arguments, and calls by keyword

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from beluga_voice.cli.problems import telling

__all__ = ["app"]

app = typer.Typer(
    name="beluga-voice",
    help="Puts an AI agent on a voice call.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Media(StrEnum):
    """`--media`."""

    NATIVE = "native"
    SDK = "sdk"


config_app = typer.Typer(help="Settings: what there are, and whether a file of them is right.", no_args_is_help=True)
app.add_typer(config_app, name="config")

Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]
Out = Annotated[Path, typer.Option(help="Folder for call.wav, timeline.png and report.json.")]
AgentOrDemo = Annotated[
    str | None,
    typer.Option(help="The agent, as MODULE:NAME or FILE.py:NAME. Default: the demo's.", metavar="MODULE:NAME"),
]
Greeting = Annotated[str | None, typer.Option(help="What the agent says first.")]
Stt = Annotated[str, typer.Option(help="Speech to text: a name or provider/model.")]
Tts = Annotated[str, typer.Option(help="Text to speech: a name or provider/model.")]
Vad = Annotated[str, typer.Option(help="Voice activity detector.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def _print_version(value: bool) -> None:
    if value:
        from beluga_voice._core import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Options that go before a command."""


@app.command()
def demo(
    livekit: Annotated[
        bool, typer.Option("--livekit", help="In a room of a livekit-server that is started on this machine.")
    ] = False,
    media: Annotated[
        Media | None,
        typer.Option(help="Who carries the agent's sound there: ours, or LiveKit's SDK. Default: native."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for call.wav, timeline.png and report.json. Default: demo-out, demo-livekit-out."),
    ] = None,
    debug: Debug = False,
) -> None:
    """Play a call: a scripted caller rings a small agent, with real recogniser and voice. Half a minute, offline."""
    if media is not None and not livekit:
        raise typer.BadParameter("allowed: with --livekit", param_hint="--media")
    with telling(debug=debug):
        from beluga_voice.cli.demo import demo as run

        folder = out or Path("demo-livekit-out" if livekit else "demo-out")
        raise typer.Exit(run(folder, room_media=(media or Media.NATIVE).value if livekit else None))


@app.command()
def simulate(
    file: Annotated[Path, typer.Argument(help="WAV file with the caller's voice.", metavar="FILE.wav")],
    agent: Annotated[str, typer.Option(help="The agent, as MODULE:NAME or FILE.py:NAME.", metavar="MODULE:NAME")],
    out: Out = Path("simulate-out"),
    stt: Stt = "pocketsphinx",
    tts: Tts = "piper",
    vad: Vad = "silero",
    patience: Annotated[float, typer.Option(help="Seconds that the agent may still talk after the file's end.")] = 60.0,
    times: Annotated[
        str,
        typer.Option(
            help="How long answers take in the call: 'measured' as they took here, 'none' nothing at all, "
            "or the times.json of an earlier run.",
            metavar="measured|none|FILE.json",
        ),
    ] = "measured",
    real_time: Annotated[bool, typer.Option("--real-time", help="Play on this machine's clock instead.")] = False,
    debug: Debug = False,
) -> None:
    """Play a recorded caller to your agent, faster than real time where the components are."""
    with telling(debug=debug):
        from beluga_voice.cli.simulate import simulate as run

        pace = None if real_time else times
        raise typer.Exit(run(file, agent, out, stt=stt, tts=tts, vad=vad, patience_s=patience, times=pace))


@app.command()
def call(
    room: Annotated[str, typer.Option(help="The room to join.")],
    agent: AgentOrDemo = None,
    url: Annotated[
        str | None,
        typer.Option(help="The server, such as ws://localhost:7880. Default: LIVEKIT_URL of the environment."),
    ] = None,
    identity: Annotated[str, typer.Option(help="As whom the room is joined.")] = "agent",
    participant: Annotated[
        str | None, typer.Option(help="Whom to serve. Default: the first caller who is there, or comes.")
    ] = None,
    media: Annotated[Media, typer.Option(help="Who carries the sound: ours, or LiveKit's SDK.")] = Media.NATIVE,
    greeting: Greeting = None,
    stt: Stt = "pocketsphinx",
    tts: Tts = "piper",
    vad: Vad = "silero",
    out: Annotated[
        Path | None, typer.Option(help="Folder for call.wav, timeline.png and report.json. Default: none is written.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Join a LiveKit room and let your agent talk with a caller there.

    The server's key is read from LIVEKIT_API_KEY and LIVEKIT_API_SECRET.
    """
    with telling(debug=debug):
        from beluga_voice.cli.call import call as run

        raise typer.Exit(
            run(
                agent,
                out,
                room=room,
                url=url,
                identity=identity,
                participant=participant,
                media=media.value,
                greeting=greeting,
                stt=stt,
                tts=tts,
                vad=vad,
            )
        )


@app.command()
def console(
    agent: AgentOrDemo = None,
    text: Annotated[bool, typer.Option("--text", help="In writing, also where there is a microphone.")] = False,
    greeting: Greeting = None,
    stt: Stt = "pocketsphinx",
    tts: Tts = "piper",
    vad: Vad = "silero",
    debug: Debug = False,
) -> None:
    """Talk with your agent by microphone and loudspeaker, or in writing where there are none."""
    with telling(debug=debug):
        from beluga_voice.cli.console import console as run

        raise typer.Exit(run(agent, text=text, stt=stt, tts=tts, vad=vad, greeting=greeting))


@app.command()
def doctor(as_json: Json = False, debug: Debug = False) -> None:
    """Say what is installed, what is missing and what to do about it.

    With LIVEKIT_URL and the server's key in the environment a room is joined there for a moment.
    """
    with telling(debug=debug):
        from beluga_voice.cli.doctor import doctor as run

        raise typer.Exit(run(as_json=as_json))


@app.command()
def models(as_json: Json = False, debug: Debug = False) -> None:
    """Verify the models and list where they come from."""
    with telling(debug=debug):
        from beluga_voice.cli.models import models as run

        raise typer.Exit(run(as_json=as_json))


@config_app.command("schema")
def config_schema(debug: Debug = False) -> None:
    """Print the JSON schema of a settings file, for editors and for checks elsewhere."""
    with telling(debug=debug):
        from beluga_voice.cli.settings import print_schema

        print_schema()


@config_app.command("check")
def config_check(
    file: Annotated[Path, typer.Argument(help="YAML file with settings.", metavar="FILE.yaml")],
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Check a settings file, the environment over it, as a backend that is created with it would. Opens nothing."""
    with telling(debug=debug):
        from beluga_voice.cli.settings import check

        check(file, as_json=as_json)


@app.command()
def top(
    url: Annotated[str, typer.Option(help="Where the dashboard of a running process is.")] = "http://127.0.0.1:9464",
    token: Annotated[
        str | None,
        typer.Option(
            envvar="BELUGA_VOICE_TELEMETRY__DASHBOARD__TOKEN",
            show_envvar=True,
            help="What the dashboard wants to be shown; a command line is seen by others, an environment is not.",
        ),
    ] = None,
    every: Annotated[float, typer.Option(min=0.2, max=60.0, help="Seconds between two looks.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Look once.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Show the calls of a running process, live: its dashboard tells them (setting telemetry.dashboard)."""
    with telling(debug=debug):
        from beluga_voice.cli.top import top as run

        raise typer.Exit(run(url, token=token, once=once, as_json=as_json, every_s=every))
