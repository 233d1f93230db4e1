// What the pages do by themselves: filter without a reload, load on, bring themselves up to date, and listen to keys.
// Every page is whole without this file, but for review. Nothing here makes HTML out of text.
"use strict";

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const page = document.body.dataset.page;

// --- asking ---------------------------------------------------------------------------------------------------------

class SignedOut extends Error {}

/** A browser is not signed in for good: an open page hears of it by the answers to what it asks. */
function refuseSignedOut(response) {
  const isAtLogin = response.redirected && new URL(response.url).pathname === "/login";
  if (response.status !== 401 && !isAtLogin) return;
  tellOld("signed-out");
  throw new SignedOut("You are signed out; sign in again");
}

/** hangtag answers within 30 seconds, and a slow line has as many again. Nothing closes the connection of a machine that is gone. */
const ANSWER_WITHIN_MS = 60000;
/** After an attempt that failed. */
const AGAIN_MS = 5000;

async function ask(path, options) {
  const response = await fetch(path, { ...options, signal: AbortSignal.timeout(ANSWER_WITHIN_MS) }).catch(() => {
    throw new Error(options.keepalive ? "hangtag does not answer; this may not have been recorded" : "hangtag does not answer");
  });
  refuseSignedOut(response);
  return response;
}

async function api(method, path, body) {
  // What somebody has said goes its way, also where they leave meanwhile.
  const options = { method, headers: {}, keepalive: method !== "GET" };
  if (body) {
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const response = await ask(path, options);
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const { message, code } = answer.error ?? {};
  throw Object.assign(new Error(message || `${response.status} ${response.statusText}`), { code });
}

async function fetchPage(address) {
  const response = await ask(address, { headers: { accept: "text/html" } });
  if (!response.ok || response.redirected) throw new Error(`${response.status} ${response.statusText}`);
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

let toastTimer;
function toast(text, failed = false) {
  const element = $("#toast");
  element.textContent = text;
  element.className = failed ? "toast on failed" : "toast on";
  clearTimeout(toastTimer);
  // More than a few words take their time to be read.
  toastTimer = setTimeout(() => element.classList.remove("on"), failed || text.length > 60 ? 8000 : 2500);
}
const failed = (error) => toast(error.message, true);

// --- times in the reader's own zone ------------------------------------------------------------------------------------

function localTimes(root = document) {
  const today = new Date().toDateString();
  for (const element of $$("time[datetime]", root)) {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const clock = { hour: "2-digit", minute: "2-digit" };
    const day = { day: "numeric", month: "short", ...clock };
    const isThisYear = at.getFullYear() === new Date().getFullYear();
    const options = at.toDateString() === today ? { ...clock, second: "2-digit" } : isThisYear ? day : { ...day, year: "numeric" };
    const shown = at.toLocaleString(undefined, options);
    // Text that is put in anew is lost to whoever has selected it.
    if (element.textContent !== shown) element.textContent = shown;
    element.title = at.toString();
  }
}

// --- correcting -------------------------------------------------------------------------------------------------------

const LABELS = $$("#correct [data-label]").map((button) => button.dataset.label);
const KEYED = LABELS.length
  ? LABELS.slice(0, 10)
  : $$('#filter input[name="label"]').map((input) => input.value);

/** What a key stands for: a label, "unknown", or nothing. */
function labelOfKey(key) {
  if (key === "u") return "unknown";
  if (!/^[0-9]$/.test(key)) return null;
  return KEYED[(Number(key) + 9) % 10] ?? null;
}

const correctionOf = (hash) => `/api/v1/images/${hash}/correction`;
/** Answers which word held before, if one did. */
const correct = (hash, label) => api("PUT", correctionOf(hash), { label });
/** Takes a word back, unless another one stands by now. */
const undo = (hash, label) => api("DELETE", `${correctionOf(hash)}?${new URLSearchParams({ instead_of: label })}`);
/** Takes back what was said from here: the word before it holds again, where there was one, and else the model's. */
const undoWord = ({ hash, label, before }) =>
  before ? api("PUT", correctionOf(hash), { label: before, instead_of: label }) : undo(hash, label);
const spoken = (label) => (label === "unknown" ? "none of these" : label);

/** What was said here; whoever takes a word back means the last one, whether it has arrived or not. */
const past = [];
const words = { sending: Promise.resolve(), underWay: 0, sent: 0, failures: 0 };

/** One that is on its way arrives all the same, though nobody hears whether it was taken; those behind it do not. */
const askBeforeLeaving = (event) => {
  if (words.underWay > (page === "review" ? 0 : 1)) event.preventDefault();
};

/** Sends a word behind those before it; until it has arrived, it is lost where somebody leaves. */
function send(word, onArrival, onFailure = () => {}) {
  if (!words.underWay) addEventListener("beforeunload", askBeforeLeaving);
  words.underWay += 1;
  words.sent += 1;
  words.sending = words.sending.then(word).then(onArrival, (error) => {
    words.failures += 1;
    failed(error);
    return onFailure(error);
  }).catch(failed).finally(() => {
    words.underWay -= 1;
    if (words.underWay) return;
    removeEventListener("beforeunload", askBeforeLeaving);
    freshenNow();
  });
}

/**
 * Says what a photo shows: `said` is `{ hash, label }`, and learns by its turn which word held before; `onArrival` hears
 * what is to be told of it. One that is lost can be taken back like others: whoever has not seen that it failed means no
 * word before it.
 */
function sendWord(said, onArrival, onFailure = () => {}) {
  past.push(said);
  send(async () => {
    const answer = await correct(said.hash, said.label);
    said.before = answer.before;
    said.isOnRecord = true;
    if (answer.can_be_learned) return `${spoken(said.label)}. z takes it back`;
    return `${spoken(said.label)}. z takes it back. No rebuild can learn from it: no file with that photo is there`;
  }, onArrival, () => {
    said.isLost = true;
    // Unless it was taken back meanwhile.
    if (past.includes(said)) return onFailure();
  });
}

/**
 * Takes back the last word, which stays the last one where that does not get through, unless somebody has said otherwise
 * since: then that holds. `onArrival` hears what came of it.
 */
function sendTakenBack(onArrival, onFailure = () => {}) {
  const place = past.length - 1;
  const said = past.pop();
  send(async () => {
    // By its turn it is known whether its arrival was confirmed, and what held before.
    if (!said.isOnRecord) return "It was not confirmed; look whether it stands";
    const { changed } = await undoWord(said);
    if (changed) return "Taken back";
    return said.before ? `It was ${spoken(said.before)} before, too` : "It did not stand any more";
  }, onArrival, (error) => {
    if (error.code !== "conflict") past.splice(place, 0, said);
    return onFailure();
  });
}

/** Leads on once all that was said has arrived; what did not arrive is for the reader to see here. */
async function leave(address) {
  const { failures } = words;
  while (words.underWay) await words.sending;
  if (failures === words.failures) location.assign(address);
}

// --- pictures ---------------------------------------------------------------------------------------------------------

/**
 * A picture that cannot be had, such as one of a disk that is slow or does not answer, is asked for again, each time
 * later, and at last each minute, as long as somebody looks.
 */
const PICTURE_AGAIN_MS = [2000, 5000, 15000, 60000];
const failedPictures = new WeakMap();

function askAgain(picture) {
  const address = picture.getAttribute("src");
  const before = failedPictures.get(picture);
  const count = before?.address === address ? before.count : 0;
  if (!address) return;
  failedPictures.set(picture, { address, count: count + 1 });
  const ask = () => {
    if (document.hidden) return document.addEventListener("visibilitychange", ask, { once: true });
    if (picture.isConnected && picture.getAttribute("src") === address) picture.src = address;
  };
  setTimeout(ask, PICTURE_AGAIN_MS[Math.min(count, PICTURE_AGAIN_MS.length - 1)]);
}

// --- inventory --------------------------------------------------------------------------------------------------------

function setCounts(from) {
  for (const element of $$("[data-count]")) {
    const key = element.dataset.count;
    const value = from(key);
    if (value !== undefined && element.textContent !== value) element.textContent = value;
  }
}

/** Between two questions for counts that take so long that they are not made anew for each change. */
const COUNT_AGAIN_MS = 2000;
let countAgainTimer;

async function completeCounts() {
  const form = $("#filter");
  clearTimeout(countAgainTimer);
  if (!form || form.dataset.counted === "true" || document.hidden || listedAddress !== addressNow()) return;
  const { search } = location;
  const counts = await api("GET", `/api/v1/counts${search}`);
  // Another filter may have come meanwhile.
  if (search !== location.search) return;
  setCounts((key) => {
    const [kind, name] = key.split(":");
    const count = kind === "total" ? counts.total : kind === "label" ? counts.labels[name] : counts.statuses[name];
    return count?.toLocaleString("en");
  });
  form.dataset.counted = counts.current;
  clearTimeout(countAgainTimer);
  if (!counts.current) countAgainTimer = setTimeout(() => completeCounts().catch(failed), COUNT_AGAIN_MS);
}

function addressOf(form) {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (value && !(name === "sort" && value === "newest")) query.append(name, value);
  }
  const text = query.toString();
  return text ? `/?${text}` : "/";
}

/** What the address says of the photos; a fragment says nothing. */
const addressNow = () => location.pathname + location.search;
let addressShown = addressNow();
/** The address whose photos are listed: that of before, as long as those of another filter could not be had. */
let listedAddress = addressNow();

let showing = 0;
/** Another filter: all but the form, in which somebody may be typing. */
async function show(address) {
  const turn = ++showing;
  const fresh = await fetchPage(address);
  if (turn !== showing) return;
  $(".results").replaceWith($(".results", fresh));
  listedAddress = address;
  const counts = new Map($$("[data-count]", fresh).map((element) => [element.dataset.count, element.textContent]));
  setCounts((key) => counts.get(key));
  $("#filter").dataset.counted = $("#filter", fresh).dataset.counted;
  watchMore();
  completeCounts().catch(failed);
}

/** Whether what the history's entry shows has come by typing. */
let isTyped = false;

/** While somebody types, one entry of the history holds what they look for; the list before keeps its own. */
function filterChanged({ isTyping = false } = {}) {
  const address = addressOf($("#filter"));
  if (address === addressNow()) return;
  if (isTyping && isTyped) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  isTyped = isTyping;
  addressShown = addressNow();
  show(addressShown).catch((error) => {
    failed(error);
    // Says that what stands here is older, and asks until there is an answer.
    freshenNow();
  });
}

const moreSeen = new IntersectionObserver((entries) => {
  if (entries.some((entry) => entry.isIntersecting)) loadMore().catch(failed);
}, { rootMargin: "1500px" });

function watchMore() {
  moreSeen.disconnect();
  const more = $("#more");
  if (more) moreSeen.observe(more);
}

async function loadMore() {
  const more = $("#more");
  if (!more || more.dataset.loading) return;
  more.dataset.loading = "true";
  try {
    const fresh = await fetchPage(more.href);
    // Another filter may have come meanwhile.
    if (!more.isConnected) return;
    const known = new Set($$("#grid > .card").map((card) => card.id));
    $("#grid").append(...$$("#grid > .card", fresh).filter((card) => !known.has(card.id)));
    const next = $("#more", fresh);
    if (next) more.replaceWith(next);
    else more.remove();
    watchMore();
  } catch (error) {
    delete more.dataset.loading;
    // An observer tells only of changes, and the end of the list may stay in sight.
    setTimeout(watchMore, AGAIN_MS);
    if (more.dataset.failed) return;
    more.dataset.failed = "true";
    throw error;
  }
}

/** Cards that stand elsewhere than in the list: it changed while somebody was at work in the grid. */
const astray = new WeakSet();
/** Grows with each look and each word: an answer that was under way meanwhile is older than what stands here. */
let looks = 0;

const isInPlace = (card) => card && !astray.has(card);

/** Another moment takes a card to another place of the list; whether it goes there is for others to say. */
function setMoment(card, at) {
  if (card.dataset.at !== at) astray.add(card);
  card.dataset.at = at;
}

/**
 * The first page in place of all that is shown: so much has come that other photos lie between, which no page that is
 * loaded on from here would hold.
 */
function takeOver(fresh, cards) {
  const grid = $("#grid");
  const focused = document.activeElement?.closest?.("#grid > .card");
  const shown = cards.map((card) => {
    const old = document.getElementById(card.id);
    if (!old) card.classList.add("new");
    return old ?? card;
  });
  for (const card of shown) astray.delete(card);
  // Whoever works at a card keeps it.
  if (focused && !shown.includes(focused)) {
    shown.push(focused);
    astray.add(focused);
  }
  grid.replaceChildren(...shown);
  if (focused) $("a", focused)?.focus({ preventScroll: true });
  $(".empty")?.remove();
  $("#more")?.remove();
  grid.after($("#more", fresh));
  watchMore();
}

/** Photos of one page at most. */
const MAX_LIMIT = 1000;

/** The address of the list as far as it is shown: its first page, and those that were loaded on. */
function addressOfAllShown() {
  const address = new URL(location.href);
  const shown = $$("#grid > .card").length;
  if (shown > Number($("#grid").dataset.limit)) address.searchParams.set("limit", Math.min(shown, MAX_LIMIT));
  return address.href;
}

/** Brings what is shown up to date: new photos come in, changed ones change, those that match no more go. */
async function freshenInventory() {
  const address = addressNow();
  if (address !== listedAddress) return show(address);
  const look = ++looks;
  const fresh = await fetchPage(addressOfAllShown());
  const grid = $("#grid");
  if (address !== addressNow() || look !== looks || !grid) return;
  const cards = $$("#grid > .card", fresh);
  const isNewestFirst = [null, "", "newest"].includes(new URLSearchParams(location.search).get("sort"));
  const counts = new Map($$("[data-count]", fresh).map((element) => [element.dataset.count, element.textContent]));
  setCounts((key) => counts.get(key) || undefined);
  $("#filter").dataset.counted = $("#filter", fresh).dataset.counted;
  completeCounts().catch(failed);
  for (const card of cards) {
    const old = document.getElementById(card.id);
    if (!old) continue;
    const isFocused = old.contains(document.activeElement);
    if (old.innerHTML !== card.innerHTML) old.innerHTML = card.innerHTML;
    if (isFocused) $("a", old)?.focus({ preventScroll: true });
    setMoment(old, card.dataset.at);
  }
  const overlaps = cards.some((card) => isInPlace(document.getElementById(card.id)));
  // In other orders what is new may lie anywhere; where there is more than this page it waits for a reload.
  const isShort = !$("#more") && $$("#grid > .card").length <= cards.length;
  if ($("#more", fresh) && (isNewestFirst ? !overlaps : isShort)) return takeOver(fresh, cards);
  if (!isNewestFirst && $("#more", fresh)) return;
  const matching = new Set(cards.map((card) => card.id));
  const last = Number(cards.at(-1)?.dataset.at ?? 0);
  for (const old of $$("#grid > .card")) {
    const isWithin = !$("#more", fresh) || Number(old.dataset.at) > last;
    if (isWithin && !matching.has(old.id) && !old.contains(document.activeElement)) old.remove();
  }
  // By time, new are only those before all that were shown: others moved up because one has gone.
  const firstShown = cards.findIndex((card) => isInPlace(document.getElementById(card.id)));
  // Whoever works at a card finds it, and the next one, where they were: only what is new comes between.
  const isHeld = grid.contains(document.activeElement);
  let before = null;
  cards.forEach((fresh, place) => {
    const old = document.getElementById(fresh.id);
    if (old && isHeld) {
      if (isInPlace(old)) before = old;
      return;
    }
    if (!old) fresh.classList.toggle("new", !isNewestFirst || firstShown < 0 || place < firstShown);
    const card = old ?? fresh;
    const isThere = card === (before ? before.nextElementSibling : grid.firstElementChild);
    if (!isThere) {
      if (before) before.after(card);
      else grid.prepend(card);
    }
    astray.delete(card);
    before = card;
  });
  if (cards.length) $(".empty")?.remove();
}

/** Brings one photo's cards up to date where they are: the list may not hold them any more, or on another page. */
async function freshenCards(hash) {
  const fresh = await fetchPage(`/photo/${hash}`);
  const verdict = $("#photo .verdict[data-at]", fresh);
  if (!verdict) return;
  // What is under way was asked before.
  looks += 1;
  const part = (selector) => $(selector, verdict);
  for (const card of $$(`#grid > .card[data-hash="${hash}"]`)) {
    $("b", card).replaceWith(part("b").cloneNode(true));
    $(".number", card)?.remove();
    if (part(".number")) $("b", card).after(part(".number").cloneNode(true));
    const status = part(".chip").textContent;
    $(".mark", card).className = `mark s-${status}`;
    $(".mark", card).textContent = status;
    setMoment(card, verdict.dataset.at);
  }
}

function moveInGrid(key) {
  const cards = $$("#grid > .card");
  if (!cards.length) return false;
  const at = cards.indexOf(document.activeElement?.closest?.(".card"));
  const columns = cards.filter((card) => card.offsetTop === cards[0].offsetTop).length;
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[key];
  const next = at < 0 ? 0 : at + step;
  $("a", cards[Math.min(Math.max(next, 0), cards.length - 1)])?.focus();
  return true;
}

function correctCard({ dataset: { hash } }, label) {
  sendWord({ hash, label }, (outcome) => {
    toast(outcome);
    return freshenCards(hash);
  });
}

function undoCard() {
  const { hash } = past.at(-1);
  const showCards = () => freshenCards(hash);
  sendTakenBack((outcome) => {
    toast(outcome);
    return showCards();
  }, showCards);
}

function inventoryKey(key) {
  const card = document.activeElement?.closest?.(".card");
  const label = labelOfKey(key);
  if (key.startsWith("Arrow")) return moveInGrid(key);
  if (key === "?") return $("#help").showModal(), true;
  if (label && card?.dataset.hash) return correctCard(card, label), true;
  if (key === "z" && past.length) return undoCard(), true;
  return false;
}

// --- one photo ---------------------------------------------------------------------------------------------------------

/** The parts of a page as they were served: those shown have other times, opened details, pressed buttons. */
const served = new WeakMap();
for (const part of $$("#fresh > *, #photo > *")) served.set(part, part.outerHTML);

/** Brings a page up to date part by part. What has not changed is left alone: whoever reads it, selects in it or has it read out. */
async function swap(selector) {
  const fresh = await fetchPage(location.href);
  const old = $(selector), next = $(selector, fresh);
  if (!old || !next) return;
  const shown = [...old.children], parts = [...next.children];
  const isAlike = (part, place) => shown[place]?.cloneNode(false).isEqualNode(part.cloneNode(false));
  const areAlike = shown.length === parts.length && parts.every(isAlike);
  const html = new Map(parts.map((part) => [part, part.outerHTML]));
  localTimes(next);
  if (!areAlike) refill(old, next);
  else {
    parts.forEach((part, place) => {
      if (served.get(shown[place]) !== html.get(part)) refill(shown[place], part);
    });
  }
  [...old.children].forEach((part, place) => served.set(part, html.get(parts[place])));
}

/** What finds an element again in other content, if anything does. */
function markOf(element) {
  if (element?.matches?.("details[id] > summary")) return `#${CSS.escape(element.parentElement.id)} > summary`;
  const name = ["id", "data-confirm", "data-retry", "data-label", "aria-label"].find((name) => element?.getAttribute?.(name));
  return name && `[${name}="${CSS.escape(element.getAttribute(name))}"]`;
}

/** Other content in the same element, as far as possible as the reader had it. */
function refill(old, next) {
  const open = new Map($$("details[id]", old).map((details) => [details.id, details.open]));
  const scrolled = $$(".scroll", old).map((element) => element.scrollLeft);
  const focused = document.activeElement;
  const mark = markOf(focused);
  old.replaceChildren(...next.childNodes);
  for (const details of $$("details[id]", old)) if (open.has(details.id)) details.open = open.get(details.id);
  $$(".scroll", old).forEach((element, place) => (element.scrollLeft = scrolled[place] ?? 0));
  if (mark && !focused.isConnected) $(mark, old)?.focus();
}

const photoHash = () => $("#photo")?.dataset.hash;

function correctPhoto(label) {
  sendWord({ hash: photoHash(), label }, toast);
}

/** Takes back what was said here, and else what others have said and stands here. */
function undoPhoto() {
  if (past.length) return sendTakenBack(toast);
  const hash = photoHash(), standing = $("[data-undo]")?.dataset.undo;
  if (!standing) return toast("There is no correction");
  send(() => undo(hash, standing), ({ changed }) => toast(changed ? "Taken back" : "There was no correction"));
}

// --- review ------------------------------------------------------------------------------------------------------------

const review = { queue: [], hasMore: true, current: null, left: 0, known: new Set(), heardUntil: "" };

/** How many photos were spoken about here. */
const done = () => new Set(past.filter(({ label, isLost }) => label && !isLost).map(({ hash }) => hash)).size;

async function fillUp() {
  while (review.queue.length < 8 && review.hasMore) {
    // Those that are known and not yet spoken about are in the answer again.
    const limit = Math.min(30 + review.known.size - done(), 1000);
    const { sent, underWay } = words;
    const answer = await api("GET", `/api/v1/review?limit=${limit}`);
    // Of words under way nobody knows whether they are counted.
    if (!underWay && sent === words.sent) review.left = answer.waiting === null ? null : answer.waiting + done();
    const fresh = answer.images.filter((image) => !review.known.has(image.content_hash));
    review.hasMore = fresh.length > 0;
    review.queue.push(...fresh);
    for (const image of fresh) review.known.add(image.content_hash);
  }
  // The browser keeps them: the next photo is there when its turn comes.
  for (const image of review.queue.slice(0, 4)) new Image().src = `/picture/${image.content_hash}/large`;
}

/** Whoever asks meanwhile waits for the same answer. */
function fillQueue() {
  review.filling ??= fillUp().finally(() => (review.filling = null));
  return review.filling;
}

/** Shows the next photo, unless one is shown; where it cannot be had, it is asked for again. */
async function nextPhoto() {
  if (review.current) return;
  if (!review.queue.length) {
    allowAnswers(false);
    try {
      await fillQueue();
    } catch (error) {
      setTimeout(() => nextPhoto().catch(failed), AGAIN_MS);
      throw error;
    }
    // One may have been taken back meanwhile.
    if (review.current) return;
  }
  showPhoto(review.queue.shift() ?? null);
  fillQueue().catch(failed);
}

function allowAnswers(isAllowed) {
  for (const button of $$("#review button")) button.disabled = !isAllowed && button.dataset.act !== "undo";
}

function showPhoto(image) {
  review.current = image;
  const picture = $("#review-picture");
  picture.hidden = !image;
  $("#review-empty").hidden = Boolean(image);
  allowAnswers(Boolean(image));
  const sure = image && `${image.label} ${Math.floor(image.confidence * 100)} %`;
  $("#review-verdict").textContent = !image ? "" : image.status === "unknown" ? `None of these? Else ${sure}` : sure;
  $("#review-why").textContent = image ? image.why : "";
  $("#review-name").textContent = image ? image.path : "";
  // At once, or the former photo stands beside this one's name until this one is there.
  picture.removeAttribute("src");
  if (image) {
    picture.src = `/picture/${image.content_hash}/large`;
    picture.alt = image.path.split("/").at(-1);
  }
  for (const button of $$("#correct [data-label]")) button.toggleAttribute("aria-pressed", button.dataset.label === image?.label);
  $$("#correct [aria-pressed]").forEach((button) => button.setAttribute("aria-pressed", "true"));
  showProgress();
}

function showProgress() {
  // How many wait is not counted where counting takes long.
  const { left } = review;
  $("#review-done").textContent = done().toLocaleString("en");
  $("#review-left").textContent = left === null ? "many" : Math.max(left - done(), 0).toLocaleString("en");
  $("#review-progress").hidden = left === null;
  $("#review-progress").value = left ? Math.min(done() / left, 1) : 0;
}

/** The next photo comes at once; what was said is sent behind it, in order, and comes back if it could not be. */
function say(label) {
  const image = review.current;
  // Nobody can say what a photo shows that they do not see yet; one that cannot be shown may be spoken about all the same.
  if (!image || (label && !$("#review-picture").complete)) return;
  const hash = image.content_hash;
  review.current = null;
  if (!label) past.push({ hash, image });
  else {
    sendWord({ hash, image, label }, null, () => {
      review.queue.unshift(image);
      showProgress();
      return nextPhoto();
    });
  }
  nextPhoto().catch(failed);
}

const dropFromQueue = (image) => (review.queue = review.queue.filter((queued) => queued !== image));

function takeBack() {
  if (!past.length) return;
  const { image, label } = past.at(-1);
  if (review.current) review.queue.unshift(review.current);
  // One whose word is lost waits there, too.
  dropFromQueue(image);
  if (!label) past.pop();
  else {
    sendTakenBack(null, () => {
      // What was said holds on: nobody has to look again.
      dropFromQueue(image);
      if (review.current === image) review.current = null;
      showProgress();
      return nextPhoto();
    });
  }
  showPhoto(image);
}

/** Drops what others have spoken about meanwhile: a word from here would take the place of theirs. Others may wait by now. */
async function dropCorrected() {
  // What is under way from here is neither theirs nor on record; once all of it is, there is another look.
  const { sent } = words;
  if (words.underWay) return false;
  const hashes = new Set();
  // The newest come first; all that came since the look before are read, however many.
  let heardUntil = review.heardUntil, next = "";
  do {
    const query = new URLSearchParams({ status: "corrected", limit: 200, cursor: next });
    const corrected = await api("GET", `/api/v1/images?${query}`);
    for (const { content_hash, tagged_at } of corrected.images) {
      hashes.add(content_hash);
      if (tagged_at > heardUntil) heardUntil = tagged_at;
    }
    next = corrected.images.at(-1)?.tagged_at >= review.heardUntil ? corrected.next : null;
  } while (next);
  if (sent !== words.sent) return;
  review.heardUntil = heardUntil;
  const queued = review.queue.length;
  review.queue = review.queue.filter((image) => !hashes.has(image.content_hash));
  if (review.left !== null) review.left -= queued - review.queue.length;
  showProgress();
  review.hasMore = true;
  (review.current ? fillQueue() : nextPhoto()).catch(failed);
}

/** Whoever comes back may find that others have spoken about what is shown and waits: that is looked at before their next word. */
function lookFirst() {
  if (review.current) review.queue.unshift(review.current);
  review.current = null;
  allowAnswers(false);
  freshenNow();
}

/** What it means that the model is right. */
const modelsWord = (image) => (image?.status === "unknown" ? "unknown" : image?.label);

function reviewKey(key) {
  const label = labelOfKey(key);
  // Enter follows a link and presses a button before it agrees with the model.
  const isOnControl = document.activeElement?.closest?.("a, button, summary");
  if (label) return say(label), true;
  if (key === "s") return say(null), true;
  if (key === "z") return takeBack(), true;
  if (key === "Enter" && !isOnControl && review.current) return say(modelsWord(review.current)), true;
  return false;
}

// --- models and status ----------------------------------------------------------------------------------------------------

let asking = 0;
function confirmFirst(button) {
  const dialog = $("#confirm"), turn = ++asking;
  // It may have been put away when the answer comes, and another question stand there.
  const isAsked = () => dialog.open && turn === asking;
  $("#confirm-title").textContent = button.dataset.title;
  $("#confirm-consequence").textContent = button.dataset.consequence;
  $("#confirm-error").textContent = "";
  $("#confirm-why").hidden = !button.dataset.instead;
  $("#confirm-why input").value = "";
  $("form", dialog).onsubmit = async (event) => {
    // The dialog stays until there is an answer.
    event.preventDefault();
    const body = {};
    if (button.dataset.instead) {
      body.instead_of = button.dataset.instead;
      body.reason = $("#confirm-why input").value || undefined;
      if (button.dataset.force) body.force = true;
    }
    $("#confirm-yes").disabled = true;
    try {
      await api("POST", button.dataset.confirm, body);
      if (isAsked()) dialog.close();
      toast("Done");
    } catch (error) {
      if (isAsked()) $("#confirm-error").textContent = error.message;
      else failed(error);
    } finally {
      if (isAsked()) $("#confirm-yes").disabled = false;
    }
  };
  $("#confirm-yes").disabled = false;
  dialog.showModal();
}

async function retry(button) {
  button.disabled = true;
  try {
    await api("POST", "/api/v1/retries", { files: [Number(button.dataset.retry)] });
  } catch (error) {
    button.disabled = false;
    throw error;
  }
  toast("It is looked at again");
}

// --- what is new ------------------------------------------------------------------------------------------------------------

const freshen = photoHash()
  ? () => swap("#photo")
  : { inventory: freshenInventory, review: dropCorrected, models: () => swap("#fresh"), status: () => swap("#fresh") }[page] ?? null;
let freshening = false, again = false;

/** Why what stands here may be old, if it may: "silent" or "signed-out". */
let oldBecause = null;

/** Says that what stands here may be old, and takes that back. */
function tellOld(because) {
  // Whoever signs in comes back to what is looked at here.
  $("#signed-out a").href = `/login?${new URLSearchParams({ to: addressNow() })}`;
  if (because === oldBecause) return;
  oldBecause = because;
  const clock = new Date().toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
  $("#silent").textContent = because === "silent" ? `No answer from hangtag since ${clock}; what stands here is older.` : "";
  for (const id of ["silent", "signed-out"]) document.getElementById(id).hidden = because !== id;
  $("#live").classList.toggle("on", !because && source?.readyState === EventSource.OPEN);
  $("#live-text").textContent = { silent: "No answer from hangtag", "signed-out": "Signed out" }[because] ?? "";
}

let againTimer;
async function freshenNow() {
  if (!freshen || document.hidden || $("dialog[open]")) return;
  if (freshening) {
    again = true;
    return;
  }
  freshening = true;
  clearTimeout(againTimer);
  const since = performance.now();
  try {
    const hasLooked = (await freshen()) !== false;
    localTimes();
    if (hasLooked) tellOld(null);
  } catch (error) {
    if (!(error instanceof SignedOut)) tellOld("silent");
    againTimer = setTimeout(freshenNow, AGAIN_MS);
  }
  freshening = false;
  if (again) {
    again = false;
    // A long list over a slow line is looked at half of the time at most.
    setTimeout(freshenNow, Math.max(500, performance.now() - since));
  }
}

/** Only while somebody looks: a browser has few connections for all of a site's pages. */
let source = null;
function listen() {
  if (document.hidden || source) return;
  const mine = (source = new EventSource("/events"));
  source.addEventListener("open", () => $("#live").classList.add("on"));
  source.addEventListener("error", () => {
    if (source !== mine) return;
    $("#live").classList.remove("on");
    // Nothing is heard of a service that has ended, unless it is asked.
    freshenNow();
    // A lost connection is made anew by the browser; an answer that is no stream (a proxy's, while hangtag starts) is not.
    if (mine.readyState !== EventSource.CLOSED) return;
    source = null;
    setTimeout(listen, AGAIN_MS);
  });
  // The first one comes at once: something may have changed since this page was made.
  source.addEventListener("change", freshenNow);
}

function stopListening() {
  source?.close();
  source = null;
  $("#live").classList.remove("on");
}

// --- wiring ------------------------------------------------------------------------------------------------------------------

/** Letters are the same with caps lock, and so are the keys above them where digits need Shift. */
function keyOf({ key, code, shiftKey }) {
  const digit = shiftKey ? null : /^Digit([0-9])$/.exec(code);
  if (digit) return digit[1];
  return key.length === 1 ? key.toLowerCase() : key;
}

let pendingGo = false;
function goKey(key) {
  const places = { i: "/", r: "/review", m: "/models", s: "/status" };
  if (pendingGo) {
    pendingGo = false;
    if (places[key]) return leave(places[key]).catch(failed), true;
  }
  if (key === "g") {
    pendingGo = true;
    setTimeout(() => (pendingGo = false), 1000);
    return true;
  }
  return false;
}

function photoKey(key) {
  const label = labelOfKey(key);
  if (label) return correctPhoto(label), true;
  if (key === "z") return undoPhoto(), true;
  if (key === "Escape") return history.back(), true;
  return false;
}

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest?.("input:not([type=checkbox]), select, textarea, dialog");
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping) return;
  // A key held too long says nothing about the next photo, nor does a button that Enter presses.
  if (event.repeat && event.key === "Enter") return event.preventDefault();
  if (event.repeat && !event.key.startsWith("Arrow")) return;
  if (event.key === "/" && $("#filter")) {
    $("#filters").open = true;
    $('#filter input[type="search"]').focus();
    return event.preventDefault();
  }
  const key = keyOf(event);
  const act = goKey(key) || (photoHash() ? photoKey(key) : page === "inventory" ? inventoryKey(key) : page === "review" ? reviewKey(key) : false);
  if (act) event.preventDefault();
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { label, act, confirm, retry: file } = button.dataset;
  // Enter would press it again, of another photo, in place of agreeing with the model; whoever pressed it by key means that.
  if (page === "review" && event.detail > 0) button.blur();
  if (button.id === "help-open") $("#help").showModal();
  else if (confirm) confirmFirst(button);
  else if (button.id === "confirm-no") $("#confirm").close();
  else if (file) retry(button).catch(failed);
  else if (photoHash() && label) correctPhoto(label);
  else if (photoHash() && "undo" in button.dataset) undoPhoto();
  else if (page === "review" && label) say(label);
  else if (act === "accept") say(modelsWord(review.current));
  else if (act === "skip") say(null);
  else if (act === "undo") takeBack();
});

if ($("#filter")) {
  let typing;
  // Where there is room the form stands open, and has nothing to open it by.
  const wide = matchMedia("(min-width: 53.76rem)");
  $("#filters").open = wide.matches;
  wide.addEventListener("change", () => ($("#filters").open ||= wide.matches));
  $("#filter").addEventListener("submit", (event) => {
    event.preventDefault();
    filterChanged();
  });
  $("#filter").addEventListener("change", () => filterChanged());
  $("#filter").addEventListener("input", (event) => {
    if (event.target.type !== "search") return;
    clearTimeout(typing);
    typing = setTimeout(() => filterChanged({ isTyping: true }), 250);
  });
  addEventListener("popstate", () => {
    if (addressShown !== addressNow()) location.reload();
  });
  watchMore();
  completeCounts().catch(failed);
}

if (page === "review") {
  const waiting = $("#review").dataset.waiting;
  review.left = waiting === undefined ? null : Number(waiting);
  review.heardUntil = $("#review").dataset.at;
  nextPhoto().catch(failed);
}

document.addEventListener("error", ({ target }) => {
  if (target.tagName === "IMG") askAgain(target);
}, true);
// Some may have failed before this script came.
for (const picture of $$("main img")) if (picture.complete && !picture.naturalWidth) askAgain(picture);

const every = Number($("[data-every]")?.dataset.every ?? 0);
if (every) setInterval(freshenNow, every);
// What comes while a dialog is open waits for its end; that event does not bubble.
document.addEventListener("close", freshenNow, true);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return stopListening();
  if (page === "review") lookFirst();
  listen();
});
addEventListener("pagehide", stopListening);
addEventListener("pageshow", listen);
localTimes();
listen();
