// The rooms of the page, in the order of their names on top. To add one: a module beside this file, and a line here and in
// console/meson.build.
//
// A room is { id, title, enter(place, path, page, search) → leave() }: `path` is what follows the room's id in the address, as
// parts, `search` what follows a "?" there; `page` is { onRecolor(f) }: f is called when the theme has changed.

import { dashboards } from "./dashboards.js";
import { alerts } from "./alerts.js";
import { errors } from "./errors.js";
import { events } from "./events.js";
import { logs } from "./logs.js";
import { profiles } from "./profiles.js";
import { requests } from "./requests.js";

export const rooms = [dashboards, requests, logs, errors, profiles, events, alerts];
