"""``cartscope geo``: fetch, look into and check GEO series."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer(
    help="Fetch GEO series, look into them, check them.", no_args_is_help=True, add_completion=False
)

Accessions = Annotated[
    list[str], typer.Argument(metavar="ACCESSION ...", help="for instance GSE246490 GSE197268")
]
Dest = Annotated[
    Path | None, typer.Option("--dest", help="root of the tree; default: the user's cache")
]


@app.command("get")
def get(
    accessions: Accessions,
    dest: Dest = None,
    base_url: Annotated[
        str | None, typer.Option("--base-url", help="what stands before /geo/series/...")
    ] = None,
    only: Annotated[
        str | None,
        typer.Option("--only", help="single samples: accession, title or file, with * and ?"),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="files at a time")] = 3,
) -> None:
    """Fetch series; what is there already is checked, what is partial is resumed."""
    from cartscope import geo

    folder = dest or geo.default_dest()
    # all of them before the first socket opens
    names = [geo.check_accession(a) for a in accessions]
    for name in names:
        with _Bars() as bars:
            table = geo.download(
                name,
                folder,
                base_url=base_url or geo.BASE_URL,
                only=only,
                n_jobs=jobs,
                progress=bars.update,
            )
        typer.echo(f"{name} in {folder}")
        _show(table, ["file", "size", "status"])


@app.command("inspect")
def inspect(
    accessions: Accessions,
    dest: Dest = None,
    manifests: Annotated[
        Path | None, typer.Option("--manifests", help="folder with ACCESSION.toml")
    ] = None,
    samples: Annotated[
        Path | None, typer.Option("--samples", help="samples.csv whose rows win over the patterns")
    ] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="write the table here as well")] = None,
) -> None:
    """List every archive member, the sample it was read as, and what matched nothing."""
    import pandas as pd

    from cartscope import geo
    from cartscope.manifest import manifest_dir, read_geo_series

    folder = dest or geo.default_dest()
    tables = []
    for name in [geo.check_accession(a) for a in accessions]:
        manifest = read_geo_series((manifests or manifest_dir()) / f"{name}.toml")
        table = geo.inspect(folder, manifest, samples=samples)
        tables.append(table)
        _show(table, ["member", "gsm", "sample_id", "patient", "timepoint", "sorted", "status"])
        counts = table["status"].value_counts()
        typer.echo(f"{name}: " + ", ".join(f"{n} {status}" for status, n in counts.items()))
        unused = table[table["status"] == "not used"]
        for reason, n in unused["reason"].value_counts().items():
            typer.echo(f"  not used, {n}: {reason}")
        # the members of one triplet share their reason
        left = table[table["status"] == "not placed"].drop_duplicates(["sample_id", "reason"])
        for row in left.to_dict("records"):
            typer.echo(f"  not placed, {row['member'] or row['gsm']}: {row['reason']}")
    if csv is not None:
        pd.concat(tables).to_csv(csv, index=False)


@app.command("verify")
def verify(accessions: Accessions, dest: Dest = None) -> None:
    """Check files against their recorded checksums, without the network."""
    from cartscope import geo
    from cartscope._errors import IntegrityError

    folder = dest or geo.default_dest()
    bad = []
    for name in [geo.check_accession(a) for a in accessions]:
        table = geo.verify(name, folder)
        _show(table, ["file", "size", "sha256", "status"])
        bad += table.loc[~table["status"].isin(geo.GOOD), "reason"].tolist()
    if bad:
        raise IntegrityError("; ".join(bad))


def _show(table: pd.DataFrame, columns: list[str]) -> None:
    text = table[columns].to_string(index=False) if len(table) else "nothing"
    typer.echo(text)


class _Bars:
    """A progress bar per file on a terminal; silent elsewhere."""

    def __init__(self) -> None:
        import threading

        self._bars: dict[str, Any] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> _Bars:
        return self

    def __exit__(self, *_: object) -> None:
        for bar in self._bars.values():
            bar.close()

    def update(self, name: str, done: int, total: int | None) -> None:
        """Move a file's bar.

        Parameters
        ----------
        name
            File.
        done
            Bytes so far.
        total
            Bytes in all, if known.
        """
        from tqdm import tqdm

        with self._lock:
            bar = self._bars.get(name)
            if bar is None:
                # disable=None: quiet when standard error is no terminal
                bar = tqdm(desc=name, total=total, unit="B", unit_scale=True, disable=None)
                self._bars[name] = bar
            bar.total = total
            bar.update(done - bar.n)  # a transfer that starts anew goes back
