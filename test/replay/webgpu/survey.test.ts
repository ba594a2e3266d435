/** What doctor is told about GPUs: with SwiftShader, and where nothing can be had. */
import { describe, expect, it, vi } from 'vitest';
import { surveyGpu } from '../../../replay/webgpu/survey.js';
import { describeOnGpu } from '../../helpers/gpu.js';

describeOnGpu('the survey', () => {
  it('names adapters, choice and read-back rate, in little time', async () => {
    const start = performance.now();
    const survey = await surveyGpu(0.05);
    expect(performance.now() - start).toBeLessThan(5000);
    expect(survey.softwarePackage).toBe('147.0.0');
    expect(survey.adapters.map((adapter) => adapter.kind)).toContain('software');
    expect(survey.adapters.map((adapter) => adapter.name)).toContain(survey.chosen?.adapter);
    expect(survey.readBack?.bytesPerSecond).toBeGreaterThan(1e6);
    expect(survey.problem).toBeNull();
  });
});

describe('without the library', () => {
  it('the survey says so in one sentence, and throws nothing', async () => {
    vi.resetModules();
    vi.doMock('webgpu', () => {
      throw new Error('cannot open dawn.node\nRequire stack:');
    });
    const { surveyGpu: surveyWithout } = await import('../../../replay/webgpu/survey.js');
    const survey = await surveyWithout(0.05);
    expect(survey).toMatchObject({ adapters: [], chosen: null, readBack: null, auto: { engine: 'native' } });
    expect(survey.problem).toMatch(/^The npm package webgpu cannot be loaded: .*\. Run npm ci/);
    expect(survey.problem).not.toContain('\n');
    vi.doUnmock('webgpu');
  });
});
