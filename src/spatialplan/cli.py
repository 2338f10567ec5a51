"""The command line: parses, calls, prints; no logic of its own."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from spatialplan.errors import InputError
from spatialplan.script import listed

if TYPE_CHECKING:
    import pandas as pd

    from spatialplan.assessment import Assessment, Situation
    from spatialplan.distributed import Case
    from spatialplan.importing import Import

__all__ = ["main"]

DONE, NOT_MET, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
# Above, reading and writing a network takes seconds, and is told.
LARGE_BYTES, MANY_LINKS = 10_000_000, 50_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status: 0 done, 1 not met (strict), 2 bad input."""
    for stream in (sys.stdout, sys.stderr):
        # A pipe on Windows is GBK by default; what we print into one is UTF-8 everywhere.
        if not stream.isatty() and hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8")
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except InputError as error:
        for fault in error.faults:
            print(f"错误 error: {fault}", file=sys.stderr)
        return BAD_INPUT
    except BrokenPipeError:
        return DONE
    except KeyboardInterrupt:
        print("已中断 interrupted", file=sys.stderr)
        return INTERRUPTED


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        print(
            f"错误 error: 命令有误(用 {self.prog} --help 查看用法): {message}",
            file=sys.stderr,
        )
        raise SystemExit(BAD_INPUT)


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        import spatialplan

        print(f"spatialplan {spatialplan.__version__}")
        parser.exit(DONE)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="spatialplan",
        description="检验规划中的空间结构和出行时间承诺。Test what a regional plan promises.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="版本 version")
    commands = parser.add_subparsers(dest="command", required=True, metavar="命令 command")
    for add in (_add_report, _add_check, _add_matrix, _add_circle, _add_map, _add_lists):
        add(commands)
    return parser


def _command(commands: argparse._SubParsersAction, name: str, run: Callable, text: str) -> _Parser:
    parser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(run=run)
    return parser


def _network_options(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    more = {"action": "append", "default": []} if several else {}
    texts = ["情景 scenario(默认:最近的现状路网)", "编辑文件 edit file"]
    if several:
        texts[0] += ";可多次给出,结果多一列 scenario repeat for several"
        texts[1] += ';可多次给出,每个文件各算一次,结果多一列 edits;"" 为不编辑 '
        texts[1] += 'repeat to compute with each alone, "" for none'
    parser.add_argument("--scenario", metavar="ID", help=texts[0], **more)
    parser.add_argument("--edits", metavar="FILE", help=texts[1], **more)
    parser.add_argument("--network", metavar="FILE", help="路网文件 network file")
    parser.add_argument(
        "--ties", default="", metavar="CSV", help="人工指定的地点与路网节点的关联 ties by hand"
    )
    parser.add_argument(
        "--profile", default="operating", metavar="P", help="车速方案 operating|design|FILE"
    )


def _add_report(commands: argparse._SubParsersAction) -> None:
    text = "生成报告:网页、地图、图件、表格。Build the report."
    parser = _command(commands, "report", _report, text)
    parser.add_argument("--plan", action="append", default=[], metavar="ID|FILE")
    parser.add_argument("--scenario", action="append", default=[], metavar="ID")
    parser.add_argument("--edits", metavar="FILE", help="编辑文件 edit file")
    parser.add_argument("--network", metavar="FILE", help="路网文件 network file")
    parser.add_argument(
        "--ties", default="", metavar="CSV", help="人工指定的地点与路网节点的关联 ties by hand"
    )
    parser.add_argument(
        "--against", default="", metavar="ID|FILE", help="与哪个情景或路网文件比较 compare with"
    )
    parser.add_argument("--profile", default="operating", metavar="P")
    parser.add_argument("-o", "--out", default="reports", metavar="DIR")


def _add_check(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "check", _check, "检验目标。Test the targets.")
    parser.add_argument("--plan", action="append", default=[], metavar="ID|FILE")
    _network_options(parser)
    parser.add_argument(
        "--against", metavar="ID|FILE", help="与哪个情景或路网文件比较 compare with"
    )
    parser.add_argument(
        "--layer",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="图层:built_up 建成区、bus_stops 站点等 a layer for coverage",
    )
    parser.add_argument("--format", choices=["table", "json", "csv"], default="table")
    parser.add_argument("--strict", action="store_true", help="有目标未达到时退出码为 1")


def _add_matrix(commands: argparse._SubParsersAction) -> None:
    text = "出行时间矩阵。Travel times between places."
    parser = _command(commands, "matrix", _matrix, text)
    parser.add_argument("--from", dest="origins", required=True, metavar="A,B,…")
    parser.add_argument("--to", dest="destinations", required=True, metavar="C,D,…")
    parser.add_argument("--mode", choices=["road", "rail", "all"], default="road")
    _network_options(parser, several=True)
    parser.add_argument("--format", choices=["csv", "json", "table"], help="默认 default: csv")
    parser.add_argument("-o", "--output", metavar="FILE|FOLDER")
    parser.add_argument(
        "--engine",
        choices=["local", "dask"],
        default="local",
        help="dask:多进程或多台机器,结果为 Parquet 文件夹 many processes or machines, to Parquet",
    )
    parser.add_argument(
        "--scheduler", default="", metavar="ADDRESS", help="Dask 调度器(默认:本机)of the cluster"
    )


def _add_circle(commands: argparse._SubParsersAction) -> None:
    text = "交通圈(等时圈)。Travel-time circles."
    parser = _command(commands, "circle", _circle, text)
    parser.add_argument("--from", dest="origin", required=True, metavar="PLACE|LON,LAT")
    parser.add_argument("--minutes", default="30,60", metavar="30,60")
    parser.add_argument("--reverse", action="store_true", help="到达该地 to the place")
    parser.add_argument("--mode", choices=["road", "all"], default="road")
    _network_options(parser)
    parser.add_argument("-o", "--output", required=True, metavar="FILE.geojson|.gpkg")


def _add_map(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "map", _map, "网页地图。A map that opens offline.")
    parser.add_argument("--plan", required=True, metavar="ID|FILE")
    _network_options(parser)
    parser.add_argument("--against", metavar="ID|FILE", help="与哪个并排比较 compare with")
    parser.add_argument(
        "--basemap", choices=["none", "osm", "tianditu", "amap"], default="none", help="底图 tiles"
    )
    parser.add_argument("-o", "--output", required=True, metavar="FILE.html")


def _add_lists(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "plans", _plans, "规划清单。The plans.")
    parser.add_argument("verb", nargs="?", choices=["show", "new"])
    parser.add_argument("id", nargs="?", metavar="ID|FILE")
    _command(commands, "scenarios", _scenarios, "情景清单。The scenarios.")
    parser = _command(commands, "places", _places, "查地点。Find places.")
    parser.add_argument("query", nargs="?", default="")
    _add_network(commands)
    parser = _command(commands, "edits", _edits, "检查编辑文件。Check an edit file.")
    parser.add_argument("verb", choices=["validate"])
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--scenario", metavar="ID")
    parser.add_argument("--network", metavar="FILE")


def _add_network(commands: argparse._SubParsersAction) -> None:
    text = "路网:概况、导出、导入、在线获取。The network."
    verbs = commands.add_parser("network", help=text, description=text).add_subparsers(
        dest="verb", required=True, metavar="info|export|import|fetch"
    )
    _network_options(_command(verbs, "info", _network, "概况。What it holds."))
    parser = _command(verbs, "export", _network, "导出。Write it.")
    _network_options(parser)
    parser.add_argument(
        "-o", "--output", required=True, metavar="FILE.gpkg|postgresql://…?table=NAME"
    )
    text = "导入 OSM 文件、矢量文件、GraphML 或 PostGIS 表。Bring in a network."
    parser = _command(verbs, "import", _import, text)
    parser.add_argument("source", metavar="FILE|postgresql://…?table=NAME")
    parser.epilog, parser.formatter_class = COLUMNS_HELP, argparse.RawDescriptionHelpFormatter
    _import_options(parser)
    parser.add_argument("--layer", default="", metavar="NAME", help="线图层 layer of lines")
    parser.add_argument(
        "--columns", default="", metavar="YAML", help="列的对应 which column is which"
    )
    parser.add_argument(
        "--default-class", default="", metavar="CLASS", help="无等级时(默认 class3)if none is given"
    )
    parser.add_argument(
        "--known",
        default="",
        metavar="FILE",
        help="不偏移的路网,判断 GCJ-02 roads that are not shifted",
    )
    parser.add_argument("--crs", default="", metavar="EPSG:…|auto", help="坐标系 of the source")
    parser.add_argument("--encoding", default="", metavar="gbk|utf-8", help="属性编码 attributes")
    parser.add_argument("--swap-axes", action="store_true", help="对调纬经度 latitude came first")
    parser.add_argument("--gcj02", action="store_true", help="从 GCJ-02 纠回 shift back")
    parser.add_argument("--node-crossings", action="store_true", help="交叉即相连 join crossings")
    parser.add_argument("--snap", type=float, default=0.05, metavar="M", help="端点吸附(米)of ends")
    parser = _command(verbs, "fetch", _fetch, "从 Overpass 获取。Ask an Overpass server.")
    parser.add_argument("--plan", default="", metavar="ID", help="规划所在县 counties of a plan")
    parser.add_argument("--endpoint", default="", metavar="URL", help="服务器 server(…/api)")
    parser.add_argument("--cache", default="", metavar="DIR", help="缓存 cache(.cache/overpass)")
    _import_options(parser)


COLUMNS_HELP = """
--columns 的文件这样写(都可省略) what the file of --columns holds, each part if wanted:
columns: {class: 技术等级, length_km: {column: 里程, unit: m}}
values: {class: {甲: class1}, oneway: {单: yes}}
defaults: {class: class3, status: open}
# 左边可用 ours: class design_speed_kmh length_km ref name_zh oneway mode link_id status opened
"""


def _import_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", required=True, metavar="FILE.gpkg")
    parser.add_argument("--bbox", default="", metavar="W,S,E,N", help="范围(度)area in degrees")
    parser.add_argument("--boundary", default="", metavar="ADCODE|FILE", help="行政区或面文件 area")
    parser.add_argument("--classes", default="", metavar="CSV", help="等级规则表 class rules")
    parser.add_argument(
        "--keep", choices=["main", "largest", "all"], default="main", help="保留的连通部分 parts"
    )
    parser.add_argument("--ties", default="", metavar="CSV", help="人工指定的地点关联 ties by hand")
    parser.add_argument("--no-ties", action="store_true", help="不关联规划地点 tie no places")


def _situation(options: argparse.Namespace, plan_ids: Sequence[str] = ()) -> Situation:
    from spatialplan import assessment

    asked = _asked(options, plan_ids)
    found = assessment.situation(options.scenario, edits=options.edits, **asked)
    _tell_own(found)
    _tell_edits(found)
    return found


def _tell_own(found: Situation) -> None:
    """Say on standard error what was taken of a network of the user's own."""
    for line in found.own.lines if found.own else ():
        print(line, file=sys.stderr)


def _earlier(
    options: argparse.Namespace, now: Situation, plan_ids: Sequence[str]
) -> Situation | None:
    """Return what is compared with: the same without the edits, in another scenario or file."""
    from spatialplan import assessment

    if not options.against:
        return None
    return assessment.earlier(options.against, now, **_asked(options, plan_ids))


def _asked(options: argparse.Namespace, plan_ids: Sequence[str]) -> dict:
    return {
        "plan_ids": plan_ids,
        "network": options.network,
        "ties": options.ties,
        "profile": options.profile,
        "layers": _layers(getattr(options, "layer", [])),
    }


def _layers(asked: Sequence[str]) -> dict:
    from spatialplan.files import read_layer

    found = {}
    for text in asked:
        name, _, path = text.partition("=")
        if not name or not path:
            raise InputError.of(
                f"--layer {text}", "应写 名称=文件,如 bus_stops=站点.shp", "write NAME=FILE"
            )
        found[name] = read_layer(path)
    return found


def _tell_edits(found: Situation) -> None:
    """Say on standard error what each edit touched."""
    for change in found.applied.changes if found.applied else ():
        notes = f";{';'.join(change.notes)}" if change.notes else ""
        print(
            f"{change.edit.spot} {change.edit.action}: {change.links} 段 links, "
            f"{change.km:.1f} km{notes}",
            file=sys.stderr,
        )


def _report(options: argparse.Namespace) -> int:
    from spatialplan import report

    index = report.build(
        plan_ids=options.plan,
        scenario_ids=options.scenario,
        edits=options.edits,
        network=options.network,
        ties=options.ties,
        against=options.against,
        profile=options.profile,
        out=Path(options.out),
    )
    print(index)
    return DONE


def _check(options: argparse.Namespace) -> int:
    from spatialplan import assessment, tables

    now = _situation(options, options.plan)
    found = assessment.assess(options.plan, now, _earlier(options, now, options.plan))
    if options.format == "json":
        print(json.dumps(found.as_dict(), ensure_ascii=False, indent=1, allow_nan=False))
    elif options.format == "csv":
        table = tables.verdict_table(found)
        sys.stdout.write(table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    else:
        _print_verdicts(found)
    failed = any(verdict.verdict in ("not_met", "impossible") for verdict in found.verdicts)
    return NOT_MET if options.strict and failed else DONE


def _print_verdicts(found: Assessment) -> None:
    from spatialplan import printing

    print(printing.assessment_text(found))


def _matrix(options: argparse.Namespace) -> int:
    from spatialplan import distributed
    from spatialplan.files import atomic_path

    _check_engine(options)
    cases = _cases(options)
    if options.engine == "dask":
        distributed.write_matrix(cases, options.output, scheduler=options.scheduler)
        return DONE
    how = options.format or "csv"
    text = _formatted(distributed.matrix(cases), how)
    if not options.output:
        sys.stdout.write(text)
        return DONE
    with atomic_path(options.output) as temporary:
        mark = "utf-8-sig" if how == "csv" else "utf-8"  # Excel needs the mark
        temporary.write_text(text, encoding=mark, newline="")
    return DONE


def _cases(options: argparse.Namespace) -> Iterator[Case]:
    """Yield the matrix of each scenario with each edit file."""
    from spatialplan import assessment, places, travel
    from spatialplan.distributed import Case

    asked, told = _asked(options, ()), None
    for labels, now in assessment.situations(options.scenario, options.edits, **asked):
        if labels:
            print(" ".join(text or "不编辑 no edits" for text in labels.values()), file=sys.stderr)
        if now.own is not told:  # once for all edits of a scenario
            _tell_own(now)
        told = now.own
        _tell_edits(now)
        origins = places.read_set(options.origins, "--from", now.gazetteer)
        destinations = places.read_set(options.destinations, "--to", now.gazetteer)
        graph = travel.compile_graph(now.network, now.profile)
        yield Case(graph, origins, destinations, options.mode, labels)


def _check_engine(options: argparse.Namespace) -> None:
    if options.engine == "local" and options.scheduler:
        raise InputError.of("--scheduler", "只用于 --engine dask", "goes with --engine dask")
    if options.engine == "dask" and (options.format or not options.output):
        raise InputError.of(
            "--engine dask",
            "结果为 Parquet 文件夹;请用 -o 给出文件夹,不用 --format",
            "writes a folder of Parquet files; name it with -o, without --format",
        )


def _formatted(frame: pd.DataFrame, how: str) -> str:
    from spatialplan import printing

    if how == "csv":
        return frame.to_csv(index=False, lineterminator="\n")
    if how == "json":
        rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
        return json.dumps(rows, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    return printing.text_table(frame) + "\n"


def _circle(options: argparse.Namespace) -> int:
    from spatialplan import circles, travel
    from spatialplan.files import write_layers

    minutes = _minutes(options.minutes)
    now = _situation(options)
    origin = now.gazetteer.find(options.origin, "--from")
    graph = travel.compile_graph(now.network, now.profile)
    frame = circles.circles(graph, [origin], minutes, mode=options.mode, reverse=options.reverse)
    frame = frame.assign(
        origin=origin.key,
        direction="to" if options.reverse else "from",
        mode=options.mode,
        scenario=now.network.name,
        network_date=now.network.date,
        profile=now.profile.id,
    )
    write_layers(options.output, {"circles": frame})
    return DONE


def _minutes(text: str) -> list[float]:
    try:
        found = sorted({float(part) for part in listed(text)})
    except ValueError:
        found = []
    if not found or not 0 < found[0] <= found[-1] <= 24 * 60:
        raise InputError.of(
            "--minutes", f"应是 0 到 1440 之间的分钟数,用逗号分开:{text}", "minutes, as in 30,60"
        )
    return found


def _map(options: argparse.Namespace) -> int:
    from spatialplan import assessment, maps

    now = _situation(options, [options.plan])
    found = assessment.assess([options.plan], now, _earlier(options, now, [options.plan]))
    maps.write(found, options.output, basemap=options.basemap)
    return DONE


def _plans(options: argparse.Namespace) -> int:
    from spatialplan import plan, printing, tables, template

    if options.verb and not options.id:
        raise InputError.of(
            f"plans {options.verb}",
            "请写规划编号",
            "give the id of a plan, see `spatialplan plans`",
        )
    if options.verb == "show":
        print(printing.plan_text(plan.find(options.id)))
    elif options.verb == "new":
        print(template.write(options.id))
    else:
        print(printing.text_table(tables.plan_table()))
    return DONE


def _scenarios(_: argparse.Namespace) -> int:
    from spatialplan import printing, tables

    print(printing.text_table(tables.scenario_table()))
    return DONE


def _places(options: argparse.Namespace) -> int:
    from spatialplan import places, printing

    found = places.builtin().search(options.query)
    if found.empty:
        places.builtin().find(options.query, "places")  # raises, naming the nearest
    columns = ["name_zh", "name_en", "kind", "county", "lon", "lat", "accuracy_m", "confidence"]
    degrees = {name: found[name].map("{:.4f}".format) for name in ("lon", "lat")}
    print(printing.text_table(found.assign(**degrees)[columns].reset_index()))
    return DONE


def _network(options: argparse.Namespace) -> int:
    from spatialplan import detours, printing
    from spatialplan.importing import Import

    now = _situation(options)
    if options.verb == "export":
        Import(now.network, ()).write(options.output)
    else:
        forbidden = detours.detours(now.network, now.profile)
        print(printing.network_text(now.network, forbidden))
    return DONE


def _import(options: argparse.Namespace) -> int:
    from spatialplan import importing
    from spatialplan.coordinates import Mends

    importing.check_output(options.output, options.source)
    source = Path(options.source)
    if source.is_file() and source.stat().st_size > LARGE_BYTES:
        print(f"读取 reading {source.name} …", file=sys.stderr)
    brought = importing.bring(
        options.source,
        area=importing.area_of(options.bbox, options.boundary),
        classes=options.classes,
        columns=options.columns,
        layer=options.layer,
        mends=Mends(
            crs=options.crs,
            encoding=options.encoding,
            swap_axes=options.swap_axes,
            gcj02=options.gcj02,
            crossings=options.node_crossings,
            snap_m=options.snap,
        ),
        keep=options.keep,
        default_class=options.default_class,
        known=options.known,
        tie=not options.no_ties,
        overrides=options.ties,
        progress=True,
    )
    return _write_import(brought, options.output)


def _fetch(options: argparse.Namespace) -> int:
    from spatialplan import importing

    importing.check_output(options.output)
    area = importing.fetch_area(options.plan, options.bbox, options.boundary)
    brought = importing.fetch(
        area,
        classes=options.classes,
        endpoint=options.endpoint,
        cache=options.cache,
        keep=options.keep,
        tie=not options.no_ties,
        overrides=options.ties,
        name=Path(options.output).stem,
    )
    return _write_import(brought, options.output)


def _write_import(brought: Import, output: str) -> int:
    if len(brought.network.links) > MANY_LINKS:
        print("写入 writing …", file=sys.stderr)
    written = brought.write(output)
    for line in (*brought.lines, *written):
        print(line)
    return DONE


def _edits(options: argparse.Namespace) -> int:
    from spatialplan import assessment, revision

    faults = []
    base = assessment.situation(options.scenario, network=options.network)
    for name in options.files:
        try:
            applied = revision.apply_file(base.network, name, base.gazetteer)
            _tell_edits(assessment.Situation(applied.network, base.profile, None, applied))
            print(f"{name}: 通过 valid")
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError(*faults)
    return DONE
