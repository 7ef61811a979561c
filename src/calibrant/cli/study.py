"""calibrant study: a study of people who work with the model's answers."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from calibrant.cli import options, say, tell
from calibrant.cli.options import names

sub = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Make, serve and analyse a study of people who work with a model's answers.\n\n"
    "Example: calibrant study new studies/first --run runs/demo, then calibrant study serve"
    " studies/first. Every part has --json and --help.",
)
Folder = Annotated[Path, typer.Argument(help="The study's folder.")]
Database = Annotated[str, typer.Option(help="URL of a database; SQLite in the folder when empty.")]
Unblind = Annotated[
    str, typer.Option(help="Why results are looked at while the study is open; is logged.")
]
RUN_ARMS = "no_model,prediction,random,zero_shot=zero_shot/none,tuned=lora_prompt"
TABLE_ARMS = "no_model,prediction,random,zero_shot,tuned"


@sub.command("new")
def new(
    folder: Annotated[Path, typer.Argument(help="The study's folder; must not exist yet.")],
    run: Annotated[Path | None, typer.Option(help="A run's folder to take items from.")] = None,
    table: Annotated[
        Path | None, typer.Option(help="A CSV, JSONL or Parquet file to take items from.")
    ] = None,
    design: Annotated[
        Path | None, typer.Option(help="A design.json; options below are ignored then.")
    ] = None,
    arms: Annotated[
        str,
        typer.Option(
            help="NAME[=CONFIDENCE[:FORM[:THRESHOLD]]], parted by commas; the paper's five when"
            " empty."
        ),
    ] = "",
    title: Annotated[str, typer.Option(help="Shown on every page.")] = "",
    contact: Annotated[str, typer.Option(help="Whom participants can ask.")] = "",
    within: Annotated[bool, typer.Option("--within", help="Everyone sees all arms.")] = False,
    n_questions: Annotated[int, typer.Option(help="Questions of a participant.")] = 60,
    n_batches: Annotated[int, typer.Option(help="Disjoint sets of questions.")] = 3,
    n_ability: Annotated[int, typer.Option(help="Questions that measure ability.")] = 10,
    n_practice: Annotated[int, typer.Option(help="Questions for practice.")] = 3,
    n_checks: Annotated[int, typer.Option(help="Attention checks.")] = 2,
    min_seconds: Annotated[float, typer.Option(help="Least time of a question.")] = 10,
    max_seconds: Annotated[float, typer.Option(help="Most time; 0 for no limit.")] = 0,
    ask_confidence: Annotated[
        bool, typer.Option("--ask-confidence", help="Ask for the person's own confidence.")
    ] = False,
    n_participants: Annotated[int, typer.Option(help="Places; 0 for no limit.")] = 0,
    languages: Annotated[str, typer.Option(help="Parted by commas.")] = "en,de",
    completion_code: Annotated[str, typer.Option(help="Empty: one for each.")] = "",
    completion_url: Annotated[str, typer.Option(help="Where the last page leads.")] = "",
    password: Annotated[
        str, typer.Option(help="Of the admin page; made when empty.", envvar="CALIBRANT_PASSWORD")
    ] = "",
    leave_out: Annotated[
        bool, typer.Option("--leave-out-incomplete", help="Go on without incomplete items.")
    ] = False,
    seed: options.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Freeze items and design; writes a pre-registration text.

    Example: calibrant study new studies/first --run runs/demo
    """
    from calibrant.errors import InvalidData
    from calibrant.study.design import Arm, Design
    from calibrant.study.folder import new_study
    from calibrant.study.items import of_run, of_table
    from calibrant.study.preregistration import write_preregistration

    if (run is None) == (table is None):
        raise InvalidData("name a run (--run FOLDER) or a table (--table FILE) to take items from")
    if design:
        if not design.is_file():
            raise InvalidData(f"there is no file {design}")
        made = Design.from_json(design.read_text("utf-8"))
    else:
        made = Design(
            arms=tuple(map(Arm.parse, names(arms or (RUN_ARMS if run else TABLE_ARMS)))),
            title=title or Design.title,
            contact=contact,
            within=within,
            n_questions=n_questions,
            n_batches=n_batches,
            n_ability=n_ability,
            n_practice=n_practice,
            n_checks=n_checks,
            min_seconds=min_seconds,
            max_seconds=max_seconds,
            ask_confidence=ask_confidence,
            n_participants=n_participants,
            languages=tuple(names(languages)),
            completion_code=completion_code,
            completion_url=completion_url,
            seed=seed,
        )
    wanted = sorted({arm.confidence for arm in made.arms} - {"", "random"})
    items = of_run(run) if run else of_table(table or "", wanted)
    study, secret, n_left_out = new_study(
        folder, items, made, leave_out=leave_out, password=password
    )
    text = write_preregistration(study)
    left_out = f", {n_left_out} incomplete ones left out" if n_left_out else ""
    tell(
        {"folder": str(folder), "items": len(study.items), "left_out": n_left_out,
         "password": secret, "design": asdict(study.design)},
        as_json,
        f"{len(study.items)} items{left_out} in {folder}\npre-registration: {text}\n"
        f"password of the admin page (kept nowhere): {secret}",
    )  # fmt: skip


@sub.command("serve")
def serve(
    folder: Folder,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    database: Database = "",
) -> None:
    """Serve the study; put a proxy with HTTPS before it.

    Example: calibrant study serve studies/first --port 8000
    """
    from calibrant.study.folder import Study
    from calibrant.study.server import server

    study = Study(folder, database)
    _ = study.messages, study.store
    say(f"participants: http://{host}:{port}/   administration: http://{host}:{port}/admin")
    server(study, host, port).run()


@sub.command("close")
def close(folder: Folder, database: Database = "", as_json: options.Json = False) -> None:
    """End the study: nobody can start or go on, results may be seen.

    Example: calibrant study close studies/first
    """
    from calibrant.study.folder import Study

    study = Study(folder, database)
    study.store.close("on the command line")
    tell({"closed": study.store.closed}, as_json, f"{folder} is closed")


@sub.command("link")
def link(
    folder: Folder,
    participant: Annotated[str, typer.Argument(help="The participant's id (or panel id).")],
    database: Database = "",
    as_json: options.Json = False,
) -> None:
    """Make a new personal link for somebody who lost theirs; the old one ends.

    Example: calibrant study link studies/first 1f0c8a4be2d3c570
    """
    import secrets

    from calibrant.errors import UnknownName
    from calibrant.study.folder import Study, token_hash

    study = Study(folder, database)
    people = {person.id: person for person, _ in study.store.everything()}
    found = [p.id for p in people.values() if participant in (p.id, *p.external.values())]
    if len(found) != 1:
        raise UnknownName("participant", participant, people)
    token = secrets.token_hex(20)
    study.store.new_token(found[0], token_hash(token))
    study.store.log("new link", "")  # whose it is would outlast a withdrawal
    tell({"path": f"/s/{token}"}, as_json, f"/s/{token}")


@sub.command("export")
def export_(
    folder: Folder,
    out: Annotated[Path, typer.Option(help="Where to; FOLDER/export when empty.")] = Path(),
    database: Database = "",
    with_ids: Annotated[
        bool, typer.Option("--with-ids", help="Panel ids and completion codes, in ids.csv.")
    ] = False,
    unblind: Unblind = "",
    as_json: options.Json = False,
) -> None:
    """Write tidy Parquet and CSV with a codebook.

    Example: calibrant study export studies/first
    """
    from calibrant.study.export import export
    from calibrant.study.folder import Study

    study = Study(folder, database)
    study.store.require_closed(unblind)
    out = out if out.name else folder / "export"
    found = export(study, out, with_ids=with_ids)
    tell(
        found, as_json, f"{found['participants']} participants, {found['trials']} answers in {out}"
    )


@sub.command("analyse")
def analyse(
    folder: Folder,
    out: Annotated[Path, typer.Option(help="Where to; FOLDER/report when empty.")] = Path(),
    database: Database = "",
    unblind: Unblind = "",
    n_permutations: Annotated[int, typer.Option(min=1, help="Of every primary test.")] = 9999,
    n_resamples: options.NResamples = 1000,
    as_json: options.Json = False,
) -> None:
    """Test the planned contrasts and write report.html.

    Example: calibrant study analyse studies/first
    """
    from calibrant.study.data import tables
    from calibrant.study.folder import Study
    from calibrant.study.report import write_report

    study = Study(folder, database)
    study.store.require_closed(unblind)
    early = not (study.store.simulated or study.store.closed)
    out = out if out.name else folder / "report"
    found = write_report(
        out, study.design, study.items, *tables(study), simulated=study.store.simulated,
        notes=["The study was still open when this was written."] if early else [],
        n_permutations=n_permutations, n_resamples=n_resamples,
    )  # fmt: skip
    lines = [
        f"{row['measure']}: {row['arm']} - {row['than']}: "
        + (row["why"] or f"{row['estimate']:+.3f}, p (Holm) {row['p_holm']:.4f}")
        for row in found["primary"]
    ]
    tell(found, as_json, "\n".join([*lines, f"report: {out / 'report.html'}"]))


@sub.command("simulate")
def simulate(
    folder: Folder,
    participants: Annotated[int, typer.Option(min=1, help="How many come.")] = 60,
    policies: Annotated[
        str, typer.Option(help="always, never, threshold_40, threshold_50, bayesian, random, deaf.")
    ] = "always,never,threshold_40,threshold_50,bayesian,random",
    leaving: Annotated[float, typer.Option(help="Share that breaks off on the way.")] = 0.0,
    out: Annotated[
        Path, typer.Option(help="Folder of the simulated study; FOLDER/simulated when empty.")
    ] = Path(),
    seed: options.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Send simulated people through the real web app, into a store of their own.

    Example: calibrant study simulate studies/first --participants 60
    """
    from calibrant.errors import InvalidData
    from calibrant.study.folder import Study
    from calibrant.study.simulate import simulate as run

    if not names(policies):
        raise InvalidData("--policies names none")

    out = out if out.name else folder / "simulated"
    found = run(Study(folder), out, participants, names(policies), leaving=leaving, seed=seed)
    if not found["finished"] and found["first_failure"]:
        raise InvalidData(f"nobody finished: {found['first_failure']}")
    text = (
        f"{found['finished']} of {participants} finished, {found['requests']} requests,"
        f" {found['failed']} failed; of {found['thresholds']} thresholds {found['thresholds_near']}"
        f" are found within 5 points, {found['thresholds_covered']} lie in their 95 % interval"
        f"\ncalibrant study analyse {out}"
    )
    tell(found, as_json, text)


@sub.command("power")
def power(
    folder: Folder,
    effect: Annotated[
        float, typer.Option(help="Share of the lead arm's participants who use the confidence.")
    ] = 0.4,
    sizes: Annotated[str, typer.Option(help="Numbers of participants, parted by commas.")] = (
        "50,100,200,400"
    ),
    wanted: Annotated[float, typer.Option(help="Power that suffices.")] = 0.8,
    n_simulations: Annotated[
        int, typer.Option(min=1, help="Studies simulated at each size.")
    ] = 100,
    seed: options.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """How many participants are needed, by simulating the study and its analysis.

    Example: calibrant study power studies/first --effect 0.4
    """
    from calibrant.errors import InvalidData
    from calibrant.study.folder import Study
    from calibrant.study.power import power as run

    study = Study(folder)
    wished = [int(size) if size.isdecimal() else 0 for size in names(sizes)]
    if not wished or min(wished) < 1:
        raise InvalidData(f"--sizes {sizes!r}: whole numbers from 1, parted by commas")
    found = run(
        study.design, study.items, wished, effect,
        wanted=wanted, n_simulations=n_simulations, seed=seed, say=say,
    )  # fmt: skip
    lines = [
        f"{name}: {n or 'more than ' + str(max(wished))} participants"
        for name, n in found["needed"].items()
    ]
    tell(found, as_json, "\n".join([f"for power {wanted:g} after Holm's correction:", *lines]))
