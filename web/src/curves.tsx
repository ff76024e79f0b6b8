/** Plots loss and error over the epochs, live. */

// Before uPlot.
import "./language.ts";
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { significant } from "#senet/report/format.ts";
import type { Curves } from "./training.ts";

type Line = readonly (number | null)[];

export function CurvesFigure({ curves }: { readonly curves: Curves }) {
  const { epoch, trainLoss, validationLoss, trainError, validationError } = curves;
  return (
    <div class="pair">
      <Curve title="Loss" epoch={epoch} train={trainLoss} validation={validationLoss} />
      <Curve title="Error, %" epoch={epoch} train={trainError} validation={validationError} />
    </div>
  );
}

interface CurveProps {
  readonly title: string;
  readonly epoch: readonly number[];
  readonly train: Line;
  readonly validation: Line;
}

function Curve({ title, epoch, train, validation }: CurveProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  const isDark = useDark();
  useEffect(() => {
    const element = place.current!;
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string) => style.getPropertyValue(name);
    const axis = {
      stroke: colour("--soft"),
      grid: { stroke: colour("--rule"), width: 1 },
      ticks: { stroke: colour("--rule"), width: 1 },
    };
    const line = { width: 2, spanGaps: true, points: { show: false } };
    plot.current = new uPlot(
      {
        width: element.clientWidth,
        height: 190,
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { time: false }, y: { range: (_, __, max) => [0, Math.max(max * 1.05, 1e-3)] } },
        axes: [axis, { ...axis, size: 44 }],
        series: [
          { label: "epoch" },
          { ...line, label: "training", stroke: colour("--train") },
          { ...line, label: "kept back", stroke: colour("--validation") },
        ],
      },
      [[], [], []],
      element,
    );
    const watch = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: 190 }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      plot.current?.destroy();
    };
  }, [isDark]);
  useEffect(() => {
    plot.current?.setData([[...epoch], [...train], [...validation]]);
  }, [epoch, train, validation, isDark]);
  const last = (values: Line) => values.findLast((value) => value !== null);
  const told = [
    `training ${significant(last(train) ?? Number.NaN, 3)}`,
    `kept back ${significant(last(validation) ?? Number.NaN, 3)}`,
  ];
  return (
    <figure>
      <figcaption>{title}</figcaption>
      <ul class="legend">
        <li class="line-train">
          <i />
          training
        </li>
        <li class="line-validation">
          <i />
          kept back
        </li>
      </ul>
      <div ref={place} role="img" aria-label={`${title} over the epochs; the last: ${told.join(", ")}`} />
    </figure>
  );
}

const query = matchMedia("(prefers-color-scheme: dark)");

function useDark(): boolean {
  const [isDark, setDark] = useState(query.matches);
  useEffect(() => {
    const change = () => setDark(query.matches);
    query.addEventListener("change", change);
    return () => query.removeEventListener("change", change);
  }, []);
  return isDark;
}
