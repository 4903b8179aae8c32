/** The tour: how the embedded model finds who gets the bag, in a dozen commands. */

/** One step: why, and what to type. */
export interface TourStep {
  readonly say: string;
  readonly line: string;
}

const OTHER = "When John and Mary went to the shops, Mary gave the bag to";

/** The steps in order. Each begins where the one before has left the session. */
export const TOUR: readonly TourStep[] = [
  {
    say:
      "The prompt names John and Mary, then John again, and stops before the one who gets the bag. What does the model say?",
    line: "top 5",
  },
  {
    say:
      "It says Mary, and the metric, the logit of Mary less that of John, is large. Which part of the model does that? Take out each head of the last layer in turn, at the last position.",
    line: "sweep 3.z @-1",
  },
  {
    say: "Nearly all of it goes through head 3. Where does that head look, from the end?",
    line: "plot pattern 3.3",
  },
  {
    say:
      "From the last position, 14, it looks at position 10, the second John, and hardly anywhere else. If it can't look there, the answer should be gone.",
    line: "cut 3.3 @-1 from @10",
  },
  {
    say:
      "The two names are 2.7 apart instead of 23.3, and others come up: the model hardly knows any more. Take the cut back. Every edit can be undone, exactly.",
    line: "undo",
  },
  {
    say:
      "What is known at position 10? Give the residual stream there, before layer 2, the value that it has when Mary is the one who is named twice.",
    line: `patch 2.resid_pre @10 from "${OTHER}"`,
  },
  {
    say:
      "The model says John now: position 10 holds who was named twice, and the end reads it there. Only the rows behind the edit were computed, as the last line says.",
    line: "undo",
  },
  {
    say:
      "What has layer 1's attention written at position 10? A sparse autoencoder reads it as features, each with the tokens it speaks for.",
    line: "features 1.z @10 6",
  },
  {
    say:
      "Features 969 and 532 both speak for John. Which of those that are active there matters? Ablate one after another; as long as no edit is in place they run as rows of one pass.",
    line: "sweep 1.z.sae @10",
  },
  {
    say: "Both of them, 969 most. Where else on the prompt is that feature active?",
    line: "plot tokens 1.z.sae 969",
  },
  {
    say:
      "At the comma, at the second John and at the end: where a name is due. Ablate it at position 10.",
    line: "ablate 1.z.sae 969 @10",
  },
  {
    say:
      "And 532: does it reach the answer through head 3.3? Let only the values that this head reads at position 10 notice that it is gone, by the direct path (path patching).",
    line: "path 1.z.sae 532 @10 to 3.v_input h3 @10",
  },
  {
    say: "What is in place now, against the run without edits?",
    line: "diff",
  },
  {
    say: "The model can go on under these edits, too.",
    line: "gen 12",
  },
];

/** How the tour ends. */
export const TOUR_END =
  "That was the tour. `save FILE` keeps a session, `export FILE` makes a program of it, `help` lists the rest, and anything else is TypeScript: try `session.run().cache`.";
