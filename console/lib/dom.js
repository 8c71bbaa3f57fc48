// Making elements. Text goes in as text nodes alone, whatever it says: nothing here ever parses HTML.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, props, children) {
    for (const [name, value] of Object.entries(props || {})) {
        if (value === undefined || value === null || value === false) {
            continue;
        }
        if (name.startsWith("on")) {
            element.addEventListener(name.slice(2), value);
        } else if (name === "data") {
            Object.assign(element.dataset, value);
        } else if (name === "vars") { // CSS custom properties
            for (const [key, v] of Object.entries(value)) {
                element.style.setProperty(`--${key}`, v);
            }
        } else {
            element.setAttribute(name, value === true ? "" : String(value));
        }
    }
    element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
    return element;
}

/** h("button", { class: "x", onclick: f }, "text", child) */
export function h(tag, props, ...children) {
    return fill(document.createElement(tag), props, children);
}

export function svg(tag, props, ...children) {
    return fill(document.createElementNS(SVG, tag), props, children);
}

/** The value of a CSS custom property as the current theme has it. */
export function css(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
