// The kinds of panels, by their type in the dashboard. To add one: a module that exports a kind, and a line here.
//
// A kind is { draw(body, panel, answers, context), instant, newest }: instant where it wants values of one moment, newest where
// the last value counts more than where it stands. draw() returns { update(answers, context), resize(), recolor(), destroy(),
// empty }; answers is [{ target, series }] in the targets' order, empty tells that there was nothing to draw.

import { timeseries } from "./timeseries.js";
import { heatmap } from "./heatmap.js";
import { stat, gauge } from "./stat.js";
import { table } from "./table.js";

export const kinds = { timeseries, heatmap, stat, gauge, table };
