// llama.mjs - measures llama.cpp's CPU backend with the build that the npm package node-llama-cpp carries, and prints rows
// of tests/truth/llamacpp/cpu_speed.csv's kind: node llama.mjs MODEL.gguf [threads [depth [prompt [output]]]]
import {getLlama, LlamaLogLevel} from "node-llama-cpp";

const [file, threads = "2", depth = "0", prompt = "512", output = "32"] = process.argv.slice(2);
const llama = await getLlama({gpu: false, build: "never", logLevel: LlamaLogLevel.error, maxThreads: Number(threads)});
const model = await llama.loadModel({modelPath: file, gpuLayers: 0, useMmap: true});
const context = await model.createContext({
    contextSize: 1024 + Number(depth) + Number(prompt), batchSize: 512, threads: Number(threads), flashAttention: true
});
const sequence = context.getSequence();
const token = (i) => 100 + (i * 7919) % 30000;

async function feed(n) {
    const tokens = Array.from({length: n}, (_, i) => token(i));
    const start = process.hrtime.bigint();
    await sequence.evaluateWithoutGeneratingNewTokens(tokens);
    return Number(process.hrtime.bigint() - start) / 1e9;
}

async function generate(n) {
    let done = 0;
    let start = 0n;
    for await (const next of sequence.evaluate([token(1)], {temperature: 0, yieldEogToken: true})) {
        if (done === 0) start = process.hrtime.bigint(); // the first one is the prompt's
        if (++done > n) break;
    }
    return Number(process.hrtime.bigint() - start) / 1e9;
}

await feed(32);
const best = {pp: Infinity, tg: Infinity};
for (let repeat = 0; repeat < 3; repeat++) {
    await sequence.clearHistory();
    if (Number(depth) > 0) await feed(Number(depth));
    best.pp = Math.min(best.pp, await feed(Number(prompt)));
    await sequence.clearHistory();
    await feed(Math.max(Number(depth), 1));
    best.tg = Math.min(best.tg, await generate(Number(output)));
}
console.log(`pp,${prompt},${depth},${(Number(prompt) / best.pp).toFixed(2)}`);
console.log(`tg,${output},${depth},${(Number(output) / best.tg).toFixed(2)}`);
process.exit(0);
