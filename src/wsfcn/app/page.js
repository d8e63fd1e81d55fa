// What is pasted goes where it would have been dropped.
document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])];
  const input = document.querySelector("#drop input[type=file]");
  if (!files.length || !input) return;
  const transfer = new DataTransfer();
  files.forEach((file) => transfer.items.add(file));
  input.files = transfer.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
  event.preventDefault();
});

// The acts of a review by their letters, where nothing is being typed and the tab is open.
const ACTS = { r: "#right", w: "#wrong", s: "#correct", b: "#back", n: "#next" };
document.addEventListener("keydown", (event) => {
  const act = ACTS[event.key];
  const typing = event.target.closest?.("input:not([type=range], [type=radio]), textarea, [contenteditable]");
  if (!act || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const button = document.querySelector(act);
  if (!button || button.offsetParent === null) return;
  button.click();
  event.preventDefault();
  event.stopImmediatePropagation();
}, true);
