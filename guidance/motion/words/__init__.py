"""Words of prompts about motions: stems, synonyms, and the parts of a sentence."""
