// Keys and gamepad of whoever looks at the page: what is held is sent twenty times a second while it is held.
// They are ours only while the page says that a hand can be moved ([data-steered]); else they move the view.
(() => {
  const PATH = "/sayso/controls", HEADER = "X-Sayso-Controls", EVERY_MS = 50, DEAD = 0.15;
  const AXES = {
    ArrowRight: ["right", 1], ArrowLeft: ["right", -1], ArrowUp: ["away", 1], ArrowDown: ["away", -1],
    PageUp: ["up", 1], PageDown: ["up", -1], KeyR: ["up", 1], KeyF: ["up", -1],
    Comma: ["turn", 1], Period: ["turn", -1], Home: ["lean", 1], End: ["lean", -1],
  };
  const BASE = {
    KeyW: ["ahead", 1], KeyS: ["ahead", -1], KeyA: ["left", 1], KeyD: ["left", -1],
    KeyQ: ["spin", 1], KeyE: ["spin", -1],
  };
  const GRIP = { Space: "grip" }, JUDGE = { Enter: "keep", Backspace: "discard" };
  const BUTTONS = { 0: "grip", 9: "keep", 8: "discard" };
  const held = new Map(), buttons = new Set();
  let taps = [], steered = "", moved = false, sending = false, again = false;

  const shown = (name) => document.querySelector(`[data-${name}]`)?.getAttribute(`data-${name}`) ?? "";
  const axes = () => (steered ? { ...AXES, ...(steered === "base" ? BASE : {}) } : {});
  const once = () => ({ ...(steered ? GRIP : {}), ...(shown("judged") ? JUDGE : {}) });
  const typing = (target) =>
    target instanceof HTMLElement &&
    (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));
  const ours = (event) => {
    if (typing(event.target) || event.ctrlKey || event.metaKey || event.altKey) return false;
    if (!(event.code in axes()) && !(event.code in once())) return false;
    event.preventDefault();
    event.stopImmediatePropagation();
    return true;
  };

  addEventListener("keydown", (event) => {
    if (!ours(event) || event.repeat) return;
    const axis = axes()[event.code], tap = once()[event.code];
    if (axis) held.set(event.code, axis);
    if (tap) taps.push(tap);
    tick();
  }, true);
  addEventListener("keyup", (event) => {
    ours(event); // else a button that has the focus would take the space bar for a click
    if (held.delete(event.code)) tick();
  }, true);
  addEventListener("blur", () => { held.clear(); tick(); });
  addEventListener("pagehide", () => { held.clear(); post({ taps: [] }, true); });

  function gamepad(wish) {
    for (const pad of navigator.getGamepads?.() ?? []) {
      if (!pad) continue;
      const stick = (k) => (Math.abs(pad.axes[k] ?? 0) > DEAD ? pad.axes[k] : 0);
      const down = (k) => (pad.buttons[k]?.pressed ? 1 : 0);
      const add = (name, value) => { if (value) wish[name] = (wish[name] ?? 0) + value; };
      add("right", stick(0)); add("away", -stick(1)); add("turn", -stick(2)); add("up", -stick(3));
      add("lean", down(5) - down(4));
      if (steered === "base") { add("ahead", down(12) - down(13)); add("spin", down(14) - down(15)); }
      for (const [k, tap] of Object.entries(BUTTONS)) {
        const name = `${pad.index}.${k}`, allowed = Object.values(once()).includes(tap);
        if (down(k) && !buttons.has(name) && allowed) taps.push(tap);
        if (down(k)) buttons.add(name); else buttons.delete(name);
      }
    }
  }

  function tick() {
    const now = shown("steered");
    if (now && !steered) document.activeElement?.blur?.(); // the field in which the instruction was typed
    if (!now) held.clear();
    steered = now;
    const wish = {};
    for (const [name, sign] of held.values()) wish[name] = (wish[name] ?? 0) + sign;
    gamepad(wish);
    const moves = Boolean(steered) && Object.values(wish).some(Boolean);
    if (moves || moved || taps.length) send({ ...(moves ? wish : {}), taps });
    moved = moves;
  }

  async function send(message) {
    if (sending) { again = true; return; }
    sending = true;
    taps = [];
    await post(message, false);
    sending = false;
    if (again) { again = false; moved = true; tick(); }
  }

  function post(message, keepalive) {
    const headers = { [HEADER]: JSON.stringify(message) };
    return fetch(PATH, { headers, keepalive, cache: "no-store" }).catch(() => {});
  }

  setInterval(tick, EVERY_MS);
})();
