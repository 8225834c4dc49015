"""Chat templates of our own that behave like those of today's models, written with the
tiny model's special tokens.
"""

from __future__ import annotations

OPEN = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
HEAD = "<|im_start|>{{ m['role'] }}\n"
TURN = HEAD + "{{ m['content'] }}<|im_end|>\n"
SPLIT = (
    "{% set thought = '' %}{% set text = m['content'] %}{% if '</think>' in text %}"
    "{% set thought = text.split('</think>')[0].split('<think>')[-1].strip('\n') %}"
    "{% set text = text.split('</think>')[-1].lstrip('\n') %}{% endif %}"
)

DEFAULT_SYSTEM = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nBe of help.<|im_end|>\n{% endif %}"
    "{% for m in messages %}" + TURN + "{% endfor %}" + OPEN
)
"""Qwen2.5, SmolLM2: a system prompt is slipped in."""

EMPTY_THOUGHT = (
    "{% for m in messages %}{% if m['role'] == 'assistant' %}" + SPLIT + HEAD + "{% if loop.last %}<think>\n"
    "{{ thought }}\n</think>\n\n{% endif %}{{ text }}<|im_end|>\n{% else %}"
    + TURN
    + "{% endif %}{% endfor %}"
    + OPEN
)
"""Qwen3: the last turn has a thought, empty where the row has none; earlier turns lose theirs."""

BEGUN_THOUGHT = (
    "{% for m in messages %}{% if m['role'] == 'assistant' %}"
    + SPLIT
    + HEAD
    + "{{ text }}<|im_end|>\n{% else %}"
    "" + TURN + "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)
"""DeepSeek-R1's distillates: the generation prompt begins a thought; every turn loses its own."""

CHANNEL = (
    "{% for m in messages %}{% if m['role'] == 'assistant' %}<|im_start|>assistant final>{{ m['content'] }}"
    "{% if loop.last %}<|im_end|>{% else %}<|endoftext|>{% endif %}{% else %}"
    + TURN
    + "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant{% endif %}"
)
"""gpt-oss: a channel before the text, and another end token in history than at the end."""

DATED = "Today: {{ strftime_now('%d %b %Y') }}\n" + DEFAULT_SYSTEM
"""Llama 3, SmolLM3, gpt-oss: the date of the day."""

STRICT = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
    "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] | trim + '<|im_end|>\n' }}{% endfor %}" + OPEN
)
"""Gemma: no system role, roles alternate, texts are trimmed."""

LAST_SYSTEM = (
    "{% set system = messages[0]['content'] + '\n' if messages[0]['role'] == 'system' else '' %}"
    "{% for m in messages %}{% if m['role'] == 'user' %}[INST] "
    "{% if loop.last or (loop.revindex == 2 and messages[-1]['role'] == "
    "'assistant') %}{{ system }}{% endif %}"
    "{{ m['content'] }}[/INST]{% elif m['role'] == 'assistant' %} {{ m['content'] "
    "}}<|im_end|>{% endif %}{% endfor %}"
)
"""Mistral: the system text goes into the last user turn, a space before the response, no generation prompt.
"""

MARKED = (
    "{% for m in messages %}{% if m['role'] == 'assistant' %}<|im_start|>assistant\n"
    "{% generation %}{{ m['content'] }}<|im_end|>\n{% endgeneration %}{% else %}"
    + TURN
    + "{% endif %}{% endfor %}"
    + OPEN
)
"""SmolLM3 and TRL's training templates: what the assistant writes is marked."""

MARKED_ANSWER = (
    "{% for m in messages %}{% if m['role'] == 'assistant' %}" + SPLIT + "<|im_start|>assistant\n"
    "<think>\n{{ thought }}\n</think>\n\n{% generation %}{{ text }}<|im_end|>\n{% endgeneration %}{% else %}"
    + TURN
    + ""
    "{% endif %}{% endfor %}" + OPEN
)
"""A thought that the template does not mark as generated."""

ALIKE = {
    "default system": DEFAULT_SYSTEM,
    "empty thought": EMPTY_THOUGHT,
    "begun thought": BEGUN_THOUGHT,
    "channel": CHANNEL,
    "dated": DATED,
    "strict": STRICT,
    "last system": LAST_SYSTEM,
    "marked": MARKED,
    "marked answer": MARKED_ANSWER,
}
