/**
 * Llama Scope's releases.
 *
 * @module
 */

import { layers, listed, type Release } from "./release.ts";

const N_LAYERS = 32;

/** SAEs of Llama 3.1 8B by site (attention, MLP, residual stream) and by how much wider than the model they are. */
const base = (): [string, Release][] =>
  ["a", "m", "r"].flatMap((site) =>
    [8, 32].map((width): [string, Release] => [`llama_scope_lx${site}_${width}x`, {
      repo: `fnlp/Llama3_1-8B-Base-LX${site.toUpperCase()}-${width}x`,
      format: "llama_scope",
      saes: layers(N_LAYERS, (layer) => [
        `l${layer}${site}_${width}x`,
        `Llama3_1-8B-Base-L${layer}${site.toUpperCase()}-${width}x`,
      ]),
    }])
  );

/** The mixtures that the SAEs of the distilled model were trained on, and what activations of each layer were multiplied by. */
const mixtures = (): Readonly<Record<string, { folder: string; factors: readonly number[] }>> => ({
  "800m_slimpajama": {
    folder: "800M-Slimpajama-0-OpenR1-Math-220k",
    factors: [
      53.52995401997436,
      37.07457226753229,
      26.801271953747353,
      20.258785842428143,
      16.35620323956284,
      13.77273090622553,
      11.802642616140206,
      10.345622082873675,
      9.52711219837399,
      8.722802553532865,
      8.187374613072596,
      7.681409438301019,
      7.011470964851573,
      6.507851835301529,
      6.075830839342571,
      5.529329506982431,
      5.04125765694814,
      4.543060254752811,
      4.136073768441771,
      3.8186778444880143,
      3.4997662089479755,
      3.114875161525094,
      2.858677637086371,
      2.6143620233159384,
      2.406593266301888,
      2.2185540508553694,
      2.038628827422577,
      1.8664054897001374,
      1.6914743009513147,
      1.530389056066687,
      1.3378642198135962,
      1.0963025732622191,
    ],
  },
  "400m_slimpajama_400m_openr1_math": {
    folder: "400M-Slimpajama-400M-OpenR1-Math-220k",
    factors: [
      53.97673033497749,
      36.76995792628666,
      26.86329549484781,
      20.473522361966317,
      16.491433880849524,
      13.902529211394633,
      11.959185891949216,
      10.454685082137889,
      9.625849752730096,
      8.705443147441324,
      8.0884989084078,
      7.449578399564585,
      6.80144905444981,
      6.331711239265464,
      5.70284230018703,
      5.318041374444156,
      4.79639347416429,
      4.333554093692626,
      3.9386839067851334,
      3.584045063066589,
      3.4122850442674064,
      2.9930188471058385,
      2.7548717844301582,
      2.5281942698718076,
      2.326851186904894,
      2.101068654605767,
      1.9361189375890395,
      1.7784660082777055,
      1.6635049539624462,
      1.448853212514504,
      1.157008764313032,
      1.041977999933546,
    ],
  },
  "800m_openr1_math": {
    folder: "0-Slimpajama-800M-OpenR1-Math-220k",
    factors: [
      54.308791085956486,
      36.49473030775242,
      26.96126387031055,
      20.52210199911164,
      16.67733543806145,
      14.067505043509176,
      12.034338704494331,
      10.495662821867164,
      9.683004157081735,
      8.679730500864236,
      7.988383971728427,
      7.237531143695951,
      6.69444885029299,
      6.0489858065009265,
      5.4935929917888595,
      4.970860531188141,
      4.541887865516153,
      4.111292885351861,
      3.7319009471881754,
      3.4464218438335172,
      3.1614163309538377,
      2.8600260547627334,
      2.636157171207381,
      2.4287397996449367,
      2.2405978768214556,
      2.034659098936678,
      1.8430054630341937,
      1.6554423260870552,
      1.477070442772071,
      1.3361543238773446,
      1.1387454210154435,
      0.926395749048437,
    ],
  },
});

const distilled = () =>
  Object.entries(mixtures()).flatMap(([mixture, { folder, factors }]) =>
    factors.map((factor, layer) => ({
      id: `l${layer}r_${mixture}`,
      path: `${folder}/L${layer}R`,
      factor,
    }))
  );

/** The releases by name. */
export function llamaScope(): Readonly<Record<string, Release>> {
  const saes = distilled();
  return {
    ...Object.fromEntries(base()),
    llama_scope_r1_distill: {
      repo: "fnlp/Llama-Scope-R1-Distill",
      format: "llama_scope_r1_distill",
      saes: listed(() => Object.fromEntries(saes.map(({ id, path }) => [id, path]))),
      factors: Object.fromEntries(saes.map(({ id, factor }) => [id, factor])),
    },
  };
}
