// What was shown before saving no longer holds once the form says something else.
document.addEventListener("input", (event) => {
  const review = document.getElementById("jobs-review");
  if (review?.firstElementChild && !review.contains(event.target)) review.replaceChildren();
});
