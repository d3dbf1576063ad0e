#!/usr/bin/env python3
"""Sizes four very different workloads, confirms each by simulation and writes results/sizing.md.

tests/size_results.py --binary build/release/harrow [--out results/sizing.md]

Two of them are recorded traffic from ../shared/data: without it nothing is written.
"""
import argparse
import datetime
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
DATA = pathlib.Path("..") / "shared" / "data"
WORKLOADS = [
    ("A steady stream", "200 MB/s of 1 KiB records, three readers, three days, a zone may be lost.",
     ["--ingress", "200MB/s", "--record", "1KiB", "--egress", "3x", "--retention", "3d", "--survive", "zone", "--slo", "produce-p99=50ms"]),
    ("A published giant", "Netflix's Keystone as published: 17 GB/s at the peak.", ["--preset", "netflix-keystone", "--slo", "produce-p99=100ms"]),
    ("Wikipedia's edits, ten thousand times", "Recorded edits with their users as keys, ten thousand times as fast; one broker may be lost.",
     ["--traffic", str(DATA / "wikipedia-edits-2015" / "edits.csv.gz"), "--key", "user", "--speed", "10000x", "--egress", "4x", "--retention", "30d", "--survive", "broker", "--slo", "e2e-p99=200ms"]),
    ("Requests to language models, five thousand times", "Recorded arrivals with extreme bursts, 4 KiB each, every batch flushed to disk before it is answered.",
     ["--traffic", str(DATA / "azure-llm-2023" / "requests.csv.gz"), "--record", "4KiB", "--batch", "64KiB", "--speed", "5000x", "--egress", "2x", "--retention", "1d", "--survive", "zone", "--flush", "yes", "--slo", "produce-p99=250ms"]),
]


def percent(value):
    return "–" if value is None else f"{value * 100:.0f} %"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--out", default=str(ROOT / "results" / "sizing.md"))
    options = parser.parse_args()
    binary = os.path.abspath(options.binary)
    if not (ROOT / DATA).exists():
        print(f"SKIPPED: no recorded traffic in {ROOT / DATA}; nothing written")
        return 0
    version = json.loads(subprocess.run([binary, "version", "--json"], capture_output=True, text=True, check=True).stdout)["version"]
    parts, rows = [], []
    for name, what, arguments in WORKLOADS:
        print(name, flush=True)
        done = subprocess.run([binary, "size", *arguments, "--format", "json", "-q"], cwd=ROOT, capture_output=True, text=True, timeout=900)
        answer = json.loads(done.stdout)
        first, others = answer["designs"][0], answer["designs"][1:]
        confirmed, cost = first["confirmed"], first["cost"]
        losses = {loss["what"]: loss for loss in confirmed["losses"]}
        rows.append(f"| {name} | {first['brokers']} x {first['profile']} | {cost['month']:,.0f} {cost['currency']} | {cost['cross_zone']:,.0f} | {first['binding']} ({first['binding_state']}) "
                    f"| {first['estimate']['knee'] / 1e6:,.1f} | {confirmed['knee'] / 1e6:,.1f} | {confirmed['gave_way'] or '–'} | {'held' if confirmed['held'] else 'not held'} | {confirmed['wall_s']:.0f} s |")
        text = [f"## {name}", "", what, "", "    harrow size " + " ".join(f"'{a}'" if " " in a or "(" in a else a for a in arguments), ""]
        text += ["| of what a broker has | now | broker lost | zone lost | allowed |", "|---|---|---|---|---|"]
        for row in first["constraints"]:
            if any(row[state] for state in ("now", "broker_lost", "zone_lost")):
                text.append(f"| {row['name']}{' (binds)' if row['name'] == first['binding'] else ''} | {percent(row['now'])} | {percent(row['broker_lost'])} | {percent(row['zone_lost'])} | {percent(row['allowed'])} |")
        growth = ", ".join(f"{key} {'no limit' if value is None else f'x {value:.2f}'}" for key, value in first["growth"].items())
        text += ["", f"{first['brokers']} x {first['profile']} in {first['zones']} zone{'s' if first['zones'] > 1 else ''}, {first['partitions']} partitions of {first['replication']}; "
                 f"{first['disk']['used_bytes'] / 1e12:.2f} of {first['disk']['bytes'] / 1e12:.2f} TB a broker; the page cache holds the last {first['page_cache_s']:,.0f} s. Room: {growth}. "
                 f"Next: " + "; ".join(f"{o['brokers']} x {o['profile']} for {o['cost']['month']:,.0f}" for o in others) + ".", ""]
        text += ["| rate | | produce p99 | end to end p99 | cpu | in | out | disk | |", "|---|---|---|---|---|---|---|---|---|"]
        for step in confirmed["ladder"]:
            text.append(f"| {step['multiple']:.2f} | {'held' if step['held'] else 'not held'} | {step['produce_p99_ms']:.1f} ms | {step['end_to_end_p99_ms']:.1f} ms | {percent(step['cpu'])} | {percent(step['net_in'])} | {percent(step['net_out'])} | {percent(step['disk'])} | {step.get('why', '')} |")
        text.append("")
        for what_lost, loss in losses.items():
            text.append(f"- a {what_lost} lost at the peak: {'held' if loss['held'] else 'NOT held'}; afterwards produce p99 {loss['after']['produce_p99_ms']:.1f} ms, longest wait {loss['longest_wait_ms'] / 1000:.1f} s, {loss['lost']} of {loss['acked']:,} acknowledged batches lost{'; ' + loss['why'] if loss.get('why') else ''}")
        text += [f"- apart: {line}" for line in confirmed["differences"]]
        text += [f"- scale: {line}" for line in confirmed["scale"]["notes"]]
        text += [f"- corrected: {one['value']}" for one in answer["assumptions"] if one["name"] == "corrected"]
        parts.append("\n".join(text))
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    page = ["# Sizing: four workloads, by equations and by simulation", "",
            f"Made by `tests/size_results.py` with {version} on {today}. Rates are MB/s of payload for the whole cluster; prices are those of the built-in profiles "
            "(`harrow size --list`), a month, cross-zone traffic included and shown beside. \"Knee\" is the highest rate at which at least 99.5 % was acknowledged in time, readers kept up and "
            "the objective held; the equations' knee is where the first resource is used up.", "",
            "| workload | cheapest design | a month | of it cross-zone | binds | knee by equations | knee simulated | used most past it | peak and losses | took |", "|---|---|---|---|---|---|---|---|---|---|", *rows, ""]
    pathlib.Path(options.out).write_text("\n".join(page) + "\n" + "\n\n".join(parts) + "\n")
    print("wrote " + options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
