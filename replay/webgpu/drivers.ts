/**
 * Which Vulkan drivers Dawn gets to see: SwiftShader alone, or everything the system has and SwiftShader besides. Loads the
 * Vulkan loader if that has not been done; returns what must stand in the environment while an instance starts. Called by
 * dawn.ts only.
 */
import { ModelTError } from '../../stack/index.js';
import {
  driverFile,
  findSwiftShader,
  ignoresEnvironment,
  loadBundledLoader,
  loadSystemLoader,
  type SwiftShader,
  unpackSwiftShader,
} from './swiftshader.js';

/** Names and values of environment variables. */
export type Drivers = Readonly<Record<string, string>>;

const INSTALL = 'npm install @sparticuz/chromium@147.0.0; --engine native needs neither';

/** The first loader that is loaded stays for the life of the process: two loaders know nothing of each other's objects. */
let isLoaderLoaded = false;
let swiftShaderFolder: string | null = null;

export function driversFor(scope: 'software' | 'all'): Drivers {
  return scope === 'software' ? softwareDrivers() : allDrivers();
}

/** Old loaders know the second name only. */
function softwareDrivers(): Drivers {
  const found = findSwiftShader();
  if (!found) {
    throw new ModelTError(
      'SWIFTSHADER_MISSING',
      'The software GPU is not installed: there is no package @sparticuz/chromium',
      3,
      `Install it: ${INSTALL}`,
    );
  }
  if (ignoresEnvironment()) {
    throw new ModelTError(
      'SWIFTSHADER_PRIVILEGED',
      'The software GPU cannot be used: this process is set-uid or has file capabilities, so Vulkan ignores which driver it is told to take',
      3,
      `Use a copy of ${process.execPath} without them (getcap shows them), or --engine native`,
    );
  }
  const file = driverFile(unpacked(found));
  if (!isLoaderLoaded) {
    loadBundledLoader(unpacked(found));
    isLoaderLoaded = true;
  }
  return { VK_DRIVER_FILES: file, VK_ICD_FILENAMES: file };
}

/** The system's own loader knows best where its drivers are; without one, the one that comes with SwiftShader looks for them. */
function allDrivers(): Drivers {
  const found = findSwiftShader();
  isLoaderLoaded ||= loadSystemLoader();
  if (!isLoaderLoaded && found) {
    loadBundledLoader(unpacked(found));
    isLoaderLoaded = true;
  }
  if (!isLoaderLoaded) {
    throw new ModelTError(
      'GPU_NO_VULKAN',
      'There is no Vulkan here: neither libvulkan.so.1 nor the package @sparticuz/chromium is installed',
      3,
      `Install the GPU's driver and the Vulkan loader (Debian: libvulkan1), or the software GPU: ${INSTALL}`,
    );
  }
  const isChosenByUser = Boolean(process.env.VK_DRIVER_FILES || process.env.VK_ICD_FILENAMES);
  return found && !isChosenByUser && !ignoresEnvironment() ? addedDrivers(found) : {};
}

/** SwiftShader that cannot be had is no reason not to use a real GPU. */
function addedDrivers(found: SwiftShader): Drivers {
  const others = process.env.VK_ADD_DRIVER_FILES;
  try {
    const file = driverFile(unpacked(found));
    return { VK_ADD_DRIVER_FILES: others ? `${others}:${file}` : file };
  } catch (error) {
    if (error instanceof ModelTError) return {};
    throw error;
  }
}

function unpacked(found: SwiftShader): string {
  swiftShaderFolder ??= unpackSwiftShader(found);
  return swiftShaderFolder;
}
