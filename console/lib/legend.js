// The name of a series: its legend's template with labels put in.

/** "{{status}} - {{le}}" over labels; without a template, the labels themselves. */
export function legend(template, labels, fallback = "") {
    if (template && template !== "__auto") {
        return template.replace(/\{\{\s*([A-Za-z_]\w*)\s*\}\}/g, (_, name) => (Object.hasOwn(labels, name) ? labels[name] : ""));
    }
    const { __name__: name = "", ...rest } = labels;
    const pairs = Object.entries(rest).map(([key, value]) => `${key}="${value}"`);
    return pairs.length ? `${name}{${pairs.join(", ")}}` : name || fallback;
}
