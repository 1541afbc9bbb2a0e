// Renews what the page shows, every two seconds, and lets the rest of it alone: what is open stays
// open, what has the focus keeps it. Without this script, reload the page.
const status = document.querySelector("[data-live-status]");
const shown = () => document.querySelector("[data-live]");
let paused = false;

function decorate() {
  for (const block of document.querySelectorAll("pre[data-copy]")) {
    const copy = document.createElement("button");
    copy.className = "copy";
    copy.textContent = "Copy";
    copy.onclick = async () => {
      await navigator.clipboard.writeText(block.textContent);
      copy.textContent = "Copied";
    };
    block.after(copy);
  }
}

async function renew() {
  if (paused || document.hidden || document.activeElement?.closest("form")) return;
  const answer = await fetch(location.href).catch(() => null);
  if (!answer?.ok) {
    status.firstChild.data = "The application does not answer.";
    return;
  }
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const next = page.querySelector("[data-live]");
  status.firstChild.data = "Live";
  if (!next || next.innerHTML === last) return;
  last = next.innerHTML;
  const open = [...document.querySelectorAll("details[open]")].map((each) => each.id);
  const place = [...shown().querySelectorAll("a, summary, [tabindex]")].indexOf(document.activeElement);
  shown().replaceWith(next);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (place >= 0) next.querySelectorAll("a, summary, [tabindex]")[place]?.focus({ preventScroll: true });
  decorate();
}

let last = shown().innerHTML;
decorate();
document.querySelector("#said")?.focus();
if (shown().dataset.live === "on") {
  const pause = document.createElement("button");
  pause.textContent = "Pause";
  pause.onclick = () => {
    paused = !paused;
    pause.textContent = paused ? "Go on" : "Pause";
    status.firstChild.data = paused ? "Paused" : "Live";
  };
  status.append("Live");
  status.after(pause);
  setInterval(renew, 2000);
}
