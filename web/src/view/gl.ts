/** WebGL: whether it is there, and whether a graphics card or the processor draws. */
import { WebGLRenderer } from 'three';

/** Throws where this browser, or this canvas, cannot be drawn on. `smooth`: edges without steps (antialiasing). */
export function rendererOf(canvas: HTMLCanvasElement, smooth: boolean): WebGLRenderer {
  // Asked for here, not by three.js, which writes its failure to the console first.
  const context = contextOf(canvas, { antialias: smooth, powerPreference: 'high-performance' });
  if (context.isContextLost()) throw failed('this canvas has been freed before; make a new one');
  return new WebGLRenderer({ canvas, context, antialias: smooth });
}

function contextOf(canvas: HTMLCanvasElement, options: WebGLContextAttributes): WebGL2RenderingContext {
  let context: WebGL2RenderingContext | null = null;
  try {
    context = canvas.getContext('webgl2', options);
  } catch (error) {
    throw failed(error instanceof Error ? error.message : String(error));
  }
  if (!context) throw failed('it is switched off, or there is no graphics driver for it');
  return context;
}

function failed(why: string): Error {
  return new Error(`This browser draws no 3D pictures (WebGL): ${why}.`);
}

let software: boolean | undefined;

/** True where the processor draws, by what the browser calls its renderer: then every pixel counts. */
export function drawnBySoftware(): boolean {
  if (software === undefined) {
    const gl = contextOf(document.createElement('canvas'), {});
    const told = gl.getExtension('WEBGL_debug_renderer_info');
    const name = String(gl.getParameter(told ? told.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
    software = /swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
    gl.getExtension('WEBGL_lose_context')?.loseContext(); // browsers keep only so many
  }
  return software;
}
