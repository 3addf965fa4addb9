//! How much there is of a component once its parts are multiplied.
//!
//! In a small file, a part can stand for many: a component is instantiated twice by one that is instantiated twice itself,
//! a module with a million globals has sixty instances, an interface with fifty thousand functions is imported under a
//! thousand names. Whoever loads, links and instantiates such a component pays for the product, in memory that no limit of
//! a call counts. So the products are counted here, where components are compiled: in a child that can be stopped, and
//! before its parent has any of it. The engine's own translation is what is counted, so that nothing is overlooked that
//! the engine multiplies.
//!
//! Loading, linking and describing stay in the parent: it has to do the first two in any case, because it plans, and with
//! what passes here they take a few MiB and milliseconds. In a child they would be done twice, in each run of the program.

use wasmparser::Validator;
use wasmtime_environ::component::{
    Component, ComponentTypes, ComponentTypesBuilder, Export, GlobalInitializer, InstantiateModule, Translator,
    TypeDef, VMComponentOffsets,
};
use wasmtime_environ::obj::ELF_WASMTIME_INFO;
use wasmtime_environ::object::read::elf::ElfFile64;
use wasmtime_environ::object::{Endianness, Object, ObjectSection};
use wasmtime_environ::{HostPtr, ModuleTranslation, PrimaryMap, ScopeVec, StaticModuleIndex, Tunables, VMOffsets};

use super::engine::ACCEPTED;

/// Instances of components in it. Of those that tools make there are a handful, and some for each component that was
/// composed with others.
const COMPONENT_INSTANCES: u64 = 1_000;

/// What the host keeps for all instances of one call: 16 bytes for each global, 32 for each function that can be referred
/// to, and the like. This is for half a million functions.
const INSTANCE_BYTES: u64 = 16 << 20;

/// Steps of an instantiation: one for each instance, and for each function and memory that goes from one to another.
const STEPS: u64 = 10_000;

/// Names of imports and exports, each as often as somebody has to look at it. All of WASI has a few hundred.
const NAMES: u64 = 10_000;

/// Bytes of these names.
const NAME_BYTES: u64 = 1 << 20;

/// What the engine notes down of types and functions, beside native code. Reading it takes some times as much memory. Of
/// those with a Python interpreter inside it has 550 KB.
const NOTES_BYTES: u64 = 4 << 20;

/// What the host keeps for an instance of a component beside what the engine lays out.
const EACH_COMPONENT_INSTANCE_BYTES: u64 = 128;

/// There is more of something than anybody needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it {0}; the limit is fixed")]
pub(super) struct TooMuch(String);

fn at_most(limit: u64, found: u64, what: &str) -> Result<(), TooMuch> {
    if found <= limit { Ok(()) } else { Err(TooMuch(format!("has {found} {what}, but at most {limit} are allowed"))) }
}

fn at_most_bytes(limit: u64, found: u64, what: &str) -> Result<(), TooMuch> {
    if found <= limit {
        return Ok(());
    }
    let (found, limit) = (found.div_ceil(1 << 20), limit >> 20);
    Err(TooMuch(format!("has {what} that take {found} MiB, but at most {limit} MiB are allowed")))
}

/// Refuses a component of which there is too much. What cannot be translated passes: the compiler says why.
pub(super) fn look_over(bytes: &[u8]) -> Result<(), TooMuch> {
    let (tunables, scope) = (Tunables::default_host(), ScopeVec::new());
    let mut validator = Validator::new_with_features(ACCEPTED);
    let mut types = ComponentTypesBuilder::new(&validator);
    let translated = Translator::new(&tunables, &mut validator, &mut types, &scope).translate(bytes);
    let Ok((translation, modules)) = translated else { return Ok(()) };
    let component = translation.component;
    look_over_instances(&component, &modules)?;
    let (types, _) = types.finish(&component);
    look_over_names(&component, &types)
}

/// Refuses native code with which the engine notes down too much.
pub(super) fn look_over_notes(code: &[u8]) -> Result<(), TooMuch> {
    let notes = ElfFile64::<Endianness>::parse(code).ok();
    let bytes = notes.and_then(|file| Some(file.section_by_name(ELF_WASMTIME_INFO)?.size()));
    at_most_bytes(NOTES_BYTES, bytes.unwrap_or(u64::MAX), "descriptions of types and functions")
}

fn look_over_instances(
    component: &Component,
    modules: &PrimaryMap<StaticModuleIndex, ModuleTranslation<'_>>,
) -> Result<(), TooMuch> {
    let component_instances = u64::from(component.num_runtime_component_instances);
    at_most(COMPONENT_INSTANCES, component_instances, "instances of components")?;
    at_most(STEPS, component.initializers.len() as u64, "steps of instantiation")?;
    let own = u64::from(VMComponentOffsets::new(HostPtr, component).size_of_vmctx());
    let of_module =
        |index: StaticModuleIndex| u64::from(VMOffsets::new(HostPtr, &modules[index].module).size_of_vmctx());
    let of_modules = component.initializers.iter().map(|step| match step {
        GlobalInitializer::InstantiateModule(InstantiateModule::Static(index, _), _) => of_module(*index),
        // Imported modules do not exist here.
        _ => 0,
    });
    let bytes = own + component_instances * EACH_COMPONENT_INSTANCE_BYTES + of_modules.sum::<u64>();
    at_most_bytes(INSTANCE_BYTES, bytes, "instances with globals and functions")
}

fn look_over_names(component: &Component, types: &ComponentTypes) -> Result<(), TooMuch> {
    let mut names = Names { types, count: 0, bytes: 0 };
    for (_, (name, item)) in &component.import_types {
        names.add(name)?;
        names.add_all_of(&item.ty)?;
    }
    component.imports.iter().flat_map(|(_, (_, path))| path).try_for_each(|name| names.add(name))?;
    component.exports.raw_iter().try_for_each(|(name, _)| names.add(name))?;
    for (_, export) in &component.export_items {
        match export {
            Export::Instance { exports, .. } => exports.raw_iter().try_for_each(|(name, _)| names.add(name))?,
            Export::Type(ty) => names.add_all_of(ty)?,
            // One each.
            _ => names.add("")?,
        }
    }
    Ok(())
}

struct Names<'a> {
    types: &'a ComponentTypes,
    count: u64,
    bytes: u64,
}

impl Names<'_> {
    fn add(&mut self, name: &str) -> Result<(), TooMuch> {
        self.count += 1;
        self.bytes += name.len() as u64;
        if self.count <= NAMES && self.bytes <= NAME_BYTES {
            return Ok(());
        }
        Err(TooMuch(format!("imports and exports more than {NAMES} names, or {} KiB of them", NAME_BYTES >> 10)))
    }

    /// All names in a type, those of an interface in an interface among them. What counts to the limit is not deep.
    fn add_all_of(&mut self, ty: &TypeDef) -> Result<(), TooMuch> {
        let types = self.types;
        match ty {
            TypeDef::ComponentInstance(index) => {
                for (name, item) in &types[*index].exports {
                    self.add(name)?;
                    self.add_all_of(&item.ty)?;
                }
            }
            TypeDef::Component(index) => {
                for (name, item) in types[*index].imports.iter().chain(&types[*index].exports) {
                    self.add(name)?;
                    self.add_all_of(&item.ty)?;
                }
            }
            TypeDef::Module(index) => {
                types[*index].exports.iter().try_for_each(|(name, _)| self.add(name))?;
                for ((module, name), _) in &types[*index].imports {
                    self.add(module)?;
                    self.add(name)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}
