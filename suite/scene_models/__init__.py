"""The scene models: small networks of ordinary classes (CLIP, captioner, text-to-image, editor), trained on the procedural scenes.

::

    scenes ──> cache ──┬─> clip ............ open_clip folder: clip_score_scenes, score maps
                       ├─> captioner ....... transformers folder: image-text-to-text
                       └─> autoencoder ──> generator ......... diffusers folder: StableDiffusionPipeline
                                      └──> editor ............ diffusers folder: StableDiffusionInstructPix2PixPipeline

What comes out is loaded as any other folder of these libraries; nothing in ``methods`` or in the evaluation knows the scene models.
"""
