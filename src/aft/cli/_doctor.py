"""``aft doctor``."""

import typer

#: Options of other commands that remedies name.
OPTIONS = ("workers", "device")


def doctor() -> None:
    """Look at the installation and the machine, and say what is wrong and how to mend it.

    The exit status is 1 if something is wrong. It changes nothing, and what it prints can be pasted into a question.
    """
    from aft.cli._messages import name_options
    from aft.diagnosis import examine

    topic, problems = "", []
    for finding in examine():
        if finding.topic != topic:
            topic = finding.topic
            typer.echo(topic)
        mark = "!" if finding.problem else " "
        how = f": {finding.remedy}" if finding.remedy and not finding.problem else ""
        typer.echo(f"{mark} {finding.name:18} {finding.value}{how}")
        if finding.problem:
            problems.append(finding)
    typer.echo("")
    for number, finding in enumerate(problems, 1):
        typer.echo(f"{number}. {finding.problem}.\n   {name_options(finding.remedy or '', OPTIONS)}")
    typer.echo("nothing is wrong" if not problems else f"{len(problems)} of these are worth mending")
    if problems:
        raise typer.Exit(1)
