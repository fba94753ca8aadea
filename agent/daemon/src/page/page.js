// Listens for what happens on this till: shows a scanned member, keeps the top line fresh. The page works without it.
const strip = document.getElementById("strip");
const typed = document.getElementById("identifier");

async function refresh() {
  const answer = await fetch("/page/strip");
  if (answer.ok) strip.innerHTML = await answer.text();
}

const events = new EventSource("/v1/events");
events.addEventListener("scan", (event) => {
  const { member_id: member } = JSON.parse(event.data);
  // Somebody who is typing is not interrupted.
  if (member && typed.value === "") {
    document.getElementById("scanned-member").value = member;
    document.getElementById("scanned").submit();
  } else {
    refresh();
  }
});
for (const name of ["link", "sale", "redemption", "void", "day", "hello", "succession"]) events.addEventListener(name, refresh);
